/** Time, randomness and turns come from outside, so that a simulator can own them. */
export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Milliseconds since 1970; may jump. For timestamps only. */
  wallMs(): number;
  /** Milliseconds that never go back, from an arbitrary start. For intervals. */
  monotonicMs(): number;
  after(delayMs: number, run: () => void): Timer;
  /** Runs after what has already arrived in this turn of the loop has been handled. */
  soon(run: () => void): void;
}

export interface RandomSource {
  bytes(count: number): Buffer;
  /** At least 0, less than 1. */
  fraction(): number;
}
