/** A clock that stands still until a test moves it; `soon` waits for `runSoon`. */
import type { Clock } from '../../proto/clock.js';

export class ManualClock implements Clock {
  #nowMs = 10_000;
  #soon: (() => void)[] = [];

  wallMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  advance(ms: number): void {
    this.#nowMs += ms;
  }

  after(): never {
    throw new Error('nothing here sets a timer');
  }

  soon(run: () => void): void {
    this.#soon.push(run);
  }

  runSoon(): void {
    for (let run = this.#soon.shift(); run !== undefined; run = this.#soon.shift()) run();
  }
}
