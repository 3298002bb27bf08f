import type { RandomSource } from '../proto/clock.js';

const backoffMsFirst = 20;
export const backoffMsMax = 1000;

/**
 * How long to wait before the next try: "full jitter" of AWS's "Exponential Backoff And Jitter",
 * so that clients which failed together do not come back together.
 */
export class Backoff {
  readonly #random: RandomSource;
  readonly #msMax: number;
  #ceilingMs = backoffMsFirst;

  constructor(random: RandomSource, msMax = backoffMsMax) {
    this.#random = random;
    this.#msMax = msMax;
  }

  /** Milliseconds. */
  next(): number {
    const delayMs = this.#random.fraction() * this.#ceilingMs;
    this.#ceilingMs = Math.min(2 * this.#ceilingMs, this.#msMax);
    return delayMs;
  }

  reset(): void {
    this.#ceilingMs = backoffMsFirst;
  }
}
