/**
 * The newest batches of the log, in memory: all that are not durable yet, and behind them as many
 * as fit into a number of bytes. Tailing readers and peers never touch the disk.
 */
import type { Batch, BatchHeader } from '../../proto/batch.js';
import { batchEnd } from '../../proto/batch.js';
import { headerBytes as headBytes } from '../../proto/limits.js';
import { RecentBytes } from './recent-bytes.js';

/** Whole batches of the log, as they lie on disk. */
export interface Page {
  /** Where the first batch of the page begins, at or in front of the offset asked for. */
  readonly offset: number;
  /** Where the page ends. */
  readonly next: number;
  readonly bytes: Buffer;
}

/** What begins a batch, as it is meant and as it lies in the log. */
export type Head = Pick<Batch, 'header' | 'headerBytes'>;

const nothing = Buffer.alloc(0);

export function emptyPage(offset: number): Page {
  return { offset, next: offset, bytes: nothing };
}

/** Dropped batches are cleared out of the array in lots: that costs each of them once. */
const droppedMax = 1024;

export class Recent {
  readonly #bytesMax: number;
  readonly #bytes: RecentBytes;
  /** Of contiguous batches; the first `#dropped` of them are no longer kept. */
  #headers: (BatchHeader | undefined)[] = [];
  #dropped = 0;
  #endOffset: number;

  constructor(bytesMax: number, endOffset: number) {
    this.#bytesMax = bytesMax;
    this.#bytes = new RecentBytes(bytesMax, endOffset);
    this.#endOffset = endOffset;
  }

  /** Everything from here to the end of the log is in memory. */
  get firstOffset(): number {
    return this.#headers[this.#dropped]?.offset ?? this.#endOffset;
  }

  /** Copies the batch, which begins where the last one ends, over what it leaves no room for. */
  append({ header, headerBytes, body }: Batch, durableOffset: number): void {
    this.#makeRoom(batchEnd(header) - header.offset, durableOffset);
    this.#headers.push(header);
    this.#bytes.append(headerBytes);
    this.#bytes.append(body);
    this.#endOffset = batchEnd(header);
  }

  /** Forgets what begins at or behind `offset`, the start of a batch. */
  truncate(offset: number): void {
    const kept = Math.max(this.#dropped, this.#countUpTo(offset - 1));
    this.#headers.length = kept;
    this.#bytes.truncate(offset);
    this.#endOffset = offset;
  }

  /** Drops the oldest durable batches that are more than there is memory for. */
  trim(durableOffset: number): void {
    this.#makeRoom(0, durableOffset);
  }

  /** The memory itself of what lies between the offsets; it changes with what comes. */
  viewsOf(from: number, to: number): readonly Buffer[] {
    return this.#bytes.viewsOf(from, to);
  }

  /** Of the batch that begins exactly there. */
  headAt(offset: number): Head | undefined {
    const header = this.#headerAt(offset);
    return header && { header, headerBytes: this.#bytes.copyOf(offset, offset + headBytes) };
  }

  /** A copy of the batch that begins exactly there. */
  batchAt(offset: number): Batch | undefined {
    const header = this.#headerAt(offset);
    if (header === undefined) return undefined;
    const bytes = this.#bytes.copyOf(offset, batchEnd(header));
    const [head, body] = [bytes.subarray(0, headBytes), bytes.subarray(headBytes)];
    return { header, headerBytes: head, body };
  }

  /**
   * Batches from the one that holds `offset` on, of at most `bytesMax` (one may have more), none
   * ending behind `below`. Undefined if `offset` is not in memory.
   */
  pageFrom(offset: number, bytesMax: number, below: number): Page | undefined {
    if (offset < this.firstOffset || offset >= this.#endOffset) return undefined;
    const at = this.#indexOf(offset);
    const from = this.#headers[at]?.offset ?? offset;
    let next = from;
    for (let i = at; i < this.#headers.length; i += 1) {
      const header = this.#headers[i];
      if (header === undefined || batchEnd(header) > below) break;
      if (batchEnd(header) - from > bytesMax && next > from) break;
      next = batchEnd(header);
    }
    if (next === from) return emptyPage(offset);
    return { offset: from, next, bytes: this.#bytes.copyOf(from, next) };
  }

  #makeRoom(bytes: number, durableOffset: number): void {
    for (;;) {
      const oldest = this.#headers[this.#dropped];
      if (oldest === undefined || this.#endOffset + bytes - oldest.offset <= this.#bytesMax) break;
      if (batchEnd(oldest) > durableOffset) break;
      this.#headers[this.#dropped] = undefined;
      this.#dropped += 1;
    }
    this.#bytes.dropBelow(this.firstOffset);
    if (this.#dropped > droppedMax && this.#dropped > this.#headers.length / 2) {
      this.#headers = this.#headers.slice(this.#dropped);
      this.#dropped = 0;
    }
  }

  #headerAt(offset: number): BatchHeader | undefined {
    const header = this.#headers[this.#indexOf(offset)];
    return header?.offset === offset ? header : undefined;
  }

  /** Where the batch that holds `offset` stands in the array, if it is kept. */
  #indexOf(offset: number): number {
    return Math.max(this.#dropped, this.#countUpTo(offset)) - 1;
  }

  /** Places in the array up to the last batch that begins at or in front of `offset`. */
  #countUpTo(offset: number): number {
    let low = this.#dropped;
    let high = this.#headers.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#headers[middle]?.offset ?? Infinity) <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
