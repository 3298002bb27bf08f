/** What happens within the measured time, counted; times are those of `performance.now()`. */

export interface Span {
  /** Measured. */
  readonly seconds: number;
  /** Before that, and not counted. */
  readonly warmUpSeconds: number;
}

/** A result that every measurement has. */
export interface Measured {
  readonly entries: number;
  /** Of the entries alone. */
  readonly bytes: number;
  readonly seconds: number;
}

/** Grows while work goes on; whoever shows progress looks at it. */
export class Tally {
  readonly beginMs: number;
  /** Infinity where the work has an end of its own. */
  readonly endMs: number;
  #entries = 0;
  #bytes = 0;

  constructor({ seconds, warmUpSeconds }: Span) {
    this.beginMs = performance.now() + 1000 * warmUpSeconds;
    this.endMs = this.beginMs + 1000 * seconds;
  }

  get entries(): number {
    return this.#entries;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Returns whether `atMs` lies in the measured time; otherwise nothing is counted. */
  add(atMs: number, entries: number, bytes: number): boolean {
    if (atMs < this.beginMs || atMs >= this.endMs) return false;
    this.#entries += entries;
    this.#bytes += bytes;
    return true;
  }

  /** For work that has ended at `atMs`, or with the measured time. */
  measured(atMs: number): Measured {
    const seconds = Math.max(0, Math.min(atMs, this.endMs) - this.beginMs) / 1000;
    return { entries: this.#entries, bytes: this.#bytes, seconds };
  }
}
