/** The clock as one process has it: when the process is gone, so are its timers. */
import type { Clock, Timer } from '../../proto/clock.js';

export class ProcessClock implements Clock {
  readonly #clock: Clock;
  readonly #skewMs: number;
  readonly #timers = new Set<Timer>();
  #isGone = false;

  constructor(clock: Clock, skewMs: number) {
    this.#clock = clock;
    this.#skewMs = skewMs;
  }

  /** Whole, as the system's is, and off by as much as the clocks of machines are. */
  wallMs(): number {
    return Math.floor(this.#clock.wallMs()) + this.#skewMs;
  }

  monotonicMs(): number {
    return this.#clock.monotonicMs();
  }

  after(delayMs: number, run: () => void): Timer {
    if (this.#isGone) return { cancel: () => undefined };
    const timer = this.#clock.after(delayMs, () => {
      this.#timers.delete(timer);
      run();
    });
    this.#timers.add(timer);
    return {
      cancel: () => {
        this.#timers.delete(timer);
        timer.cancel();
      },
    };
  }

  soon(run: () => void): void {
    this.after(0, run);
  }

  end(): void {
    this.#isGone = true;
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
  }
}
