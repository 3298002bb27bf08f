import type { Clock, RandomSource, Timer } from '../../proto/clock.js';
import { HeapTimer, TimerHeap } from './timer-heap.js';

/** A virtual run longer than this has hung. */
const runMsMax = 10 * 60_000;

/**
 * After so many timers the event loop goes round: signals and rejections that nobody handles are
 * seen then.
 */
const timersPerRound = 32;

/** Time that passes only when nothing else is left to do. */
export class TestClock implements Clock {
  /** Told of every timer that runs, in order: two runs of a seed tell it the same. */
  onTimer: ((atMs: number, order: number) => void) | null = null;
  #nowMs = 0;
  #order = 0;
  #ran = 0;
  readonly #timers = new TimerHeap();

  /** How many timers have run. */
  get ran(): number {
    return this.#ran;
  }

  wallMs(): number {
    return 1_700_000_000_000 + this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, run: () => void): Timer {
    const timer = new HeapTimer(this.#nowMs + Math.max(0, delayMs), this.#order++, run);
    this.#timers.push(timer);
    return timer;
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
    await roundTurn();
    for (;;) {
      if (isSettled) return settled;
      if (!this.#step() || this.#nowMs > endMs) throw new Error(`hangs at ${this.#nowMs} ms`);
      await (this.#ran % timersPerRound === 0 ? roundTurn() : turn());
    }
  }

  /** Lets this much time pass. */
  async pass(durationMs: number): Promise<void> {
    await this.run(new Promise<void>((resolve) => this.after(durationMs, resolve)));
  }

  #step(): boolean {
    const timer = this.#timers.pop();
    if (timer === undefined) return false;
    this.#nowMs = timer.atMs;
    this.#ran += 1;
    this.onTimer?.(timer.atMs, timer.order);
    timer.run?.();
    return true;
  }
}

/**
 * Everything that promises can do without time passing. To be called by a promise job: Node runs
 * what waits for the next tick only when no job is left.
 */
function turn(): Promise<void> {
  return new Promise((resolve) => process.nextTick(resolve));
}

/** The same from wherever it is called, and slower: the event loop goes round. */
function roundTurn(): Promise<void> {
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
