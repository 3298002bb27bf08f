/**
 * The newest batches of the log, in memory: all that are not durable yet, and behind them as many
 * as fit into a number of bytes. Tailing readers and peers never touch the disk.
 */
import type { Batch } from '../../proto/batch.js';
import { batchEnd } from '../../proto/batch.js';

/** Whole batches of the log, as they lie on disk. */
export interface Page {
  /** Where the first batch of the page begins, at or in front of the offset asked for. */
  readonly offset: number;
  /** Where the page ends. */
  readonly next: number;
  readonly bytes: Buffer;
}

const nothing = Buffer.alloc(0);

export function emptyPage(offset: number): Page {
  return { offset, next: offset, bytes: nothing };
}

/** Dropped batches are cleared out of the array in lots: that costs each of them once. */
const droppedMax = 1024;

export class Recent {
  readonly #bytesMax: number;
  /** Contiguous; the first `#dropped` of them are no longer kept. */
  #batches: (Batch | undefined)[] = [];
  #dropped = 0;
  #endOffset: number;

  constructor(bytesMax: number, endOffset: number) {
    this.#bytesMax = bytesMax;
    this.#endOffset = endOffset;
  }

  /** Everything from here to the end of the log is in memory. */
  get firstOffset(): number {
    return this.#batches[this.#dropped]?.header.offset ?? this.#endOffset;
  }

  /** Takes the batch that begins where the last one ends. */
  append(batch: Batch): void {
    this.#batches.push(batch);
    this.#endOffset = batchEnd(batch.header);
  }

  /** Forgets what begins at or behind `offset`, the start of a batch. */
  truncate(offset: number): void {
    const kept = Math.max(this.#dropped, this.#countUpTo(offset - 1));
    this.#batches.length = kept;
    this.#endOffset = offset;
  }

  /** Drops the oldest durable batches that are more than there is memory for. */
  trim(durableOffset: number): void {
    for (;;) {
      const oldest = this.#batches[this.#dropped];
      if (oldest === undefined || this.#endOffset - oldest.header.offset <= this.#bytesMax) break;
      if (batchEnd(oldest.header) > durableOffset) break;
      this.#batches[this.#dropped] = undefined;
      this.#dropped += 1;
    }
    if (this.#dropped > droppedMax && this.#dropped > this.#batches.length / 2) {
      this.#batches = this.#batches.slice(this.#dropped);
      this.#dropped = 0;
    }
  }

  /** The batch that begins exactly there. */
  batchAt(offset: number): Batch | undefined {
    const batch = this.#batches[this.#indexOf(offset)];
    return batch?.header.offset === offset ? batch : undefined;
  }

  /**
   * Batches from the one that holds `offset` on, of at most `bytesMax` (one may have more), none
   * ending behind `below`. Undefined if `offset` is not in memory.
   */
  batchesFrom(offset: number, bytesMax: number, below: number): Batch[] | undefined {
    if (offset < this.firstOffset || offset >= this.#endOffset) return undefined;
    const batches: Batch[] = [];
    let room = bytesMax;
    for (let i = this.#indexOf(offset); i < this.#batches.length; i += 1) {
      const batch = this.#batches[i];
      if (batch === undefined || batchEnd(batch.header) > below) break;
      room -= batchEnd(batch.header) - batch.header.offset;
      if (room < 0 && batches.length > 0) break;
      batches.push(batch);
    }
    return batches;
  }

  /** Where the batch that holds `offset` stands in the array, if it is kept. */
  #indexOf(offset: number): number {
    return Math.max(this.#dropped, this.#countUpTo(offset)) - 1;
  }

  /** Places in the array up to the last batch that begins at or in front of `offset`. */
  #countUpTo(offset: number): number {
    let low = this.#dropped;
    let high = this.#batches.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#batches[middle]?.header.offset ?? Infinity) <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
