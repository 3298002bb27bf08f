/** A log as batches that somebody's disk has held, from the first one on, in order. */
import type { Chain } from '../../proto/batch.js';

export interface Stored {
  readonly offset: number;
  readonly end: number;
  readonly term: number;
  /** After the batch. */
  readonly chain: Chain;
  /** Producer, epoch, sequence; null of a batch that no client wrote. */
  readonly identity: string | null;
}

export class StoredLog {
  protected readonly batches: Stored[] = [];

  get last(): Stored | undefined {
    return this.batches.at(-1);
  }

  get end(): number {
    return this.last?.end ?? 0;
  }

  /** The batch that ends there, or the last one that ends before. */
  upTo(offset: number): Stored | undefined {
    return this.batches[this.#countUpTo(offset) - 1];
  }

  /** Those that end behind `offset`, in order. */
  *behind(offset: number): Generator<Stored> {
    for (let i = this.#countUpTo(offset); i < this.batches.length; i += 1) {
      const batch = this.batches[i];
      if (batch !== undefined) yield batch;
    }
  }

  /** How many of the batches end at or before `offset`; they ascend. */
  #countUpTo(offset: number): number {
    let low = 0;
    let high = this.batches.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.batches[middle]?.end ?? Infinity) <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
