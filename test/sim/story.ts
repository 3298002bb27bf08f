/** What happened in a run, line by line, for whoever has to understand it. */
import type { Clock } from '../../proto/clock.js';

/** A run that tells more than this is told from its last part on. */
const linesMax = 20_000;

export class Story {
  readonly #clock: Clock;
  #lines: string[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  say(what: string): void {
    this.#lines.push(`${this.#clock.monotonicMs().toFixed(3).padStart(12)} ${what}`);
    if (this.#lines.length > linesMax) this.#lines = this.#lines.slice(linesMax >> 1);
  }

  get lines(): readonly string[] {
    return this.#lines;
  }
}
