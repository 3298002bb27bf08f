import type { Clock, RandomSource, Timer } from '../../proto/clock.js';

interface Due {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

/** A virtual run longer than this has hung. */
const runMsMax = 10 * 60_000;

/** Time that passes only when nothing else is left to do. */
export class TestClock implements Clock {
  #nowMs = 0;
  #order = 0;
  readonly #due = new Set<Due>();

  wallMs(): number {
    return 1_700_000_000_000 + this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, run: () => void): Timer {
    const due = { atMs: this.#nowMs + delayMs, order: this.#order++, run };
    this.#due.add(due);
    return { cancel: () => this.#due.delete(due) };
  }

  soon(run: () => void): void {
    this.after(0, run);
  }

  /** What the promise settles with; time passes until it does. */
  async run<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const settled = promise.finally(() => {
      isSettled = true;
    });
    settled.catch(() => {});
    const endMs = this.#nowMs + runMsMax;
    for (;;) {
      await turn();
      if (isSettled) return settled;
      if (!this.#step() || this.#nowMs > endMs) throw new Error(`hangs at ${this.#nowMs} ms`);
    }
  }

  /** Lets this much time pass. */
  async pass(durationMs: number): Promise<void> {
    await this.run(new Promise<void>((resolve) => this.after(durationMs, resolve)));
    await turn();
  }

  #step(): boolean {
    let next: Due | undefined;
    for (const due of this.#due) {
      const isEarlier =
        next === undefined ||
        due.atMs < next.atMs ||
        (due.atMs === next.atMs && due.order < next.order);
      if (isEarlier) next = due;
    }
    if (next === undefined) return false;
    this.#due.delete(next);
    this.#nowMs = next.atMs;
    next.run();
    return true;
  }
}

/** Everything that promises can do without time passing. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** The same numbers for the same seed (Marsaglia's xorshift32). */
export function seededRandom(seed: number): RandomSource {
  let state = seed >>> 0 || 1;
  const next = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state;
  };
  return {
    bytes: (count) => Buffer.from(Array.from({ length: count }, () => next() & 255)),
    fraction: () => next() / 2 ** 32,
  };
}
