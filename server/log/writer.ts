/**
 * Writes the log to disk: batches that arrive while a durable write runs wait and share the next
 * one. Every operation on the files happens here, strictly one after the other.
 */
import type { BatchHeader } from '../../proto/batch.js';
import { batchEnd, genesisChain } from '../../proto/batch.js';
import { assert, LogLogError } from '../../proto/errors.js';
import { lastBatchBefore } from './find-batch.js';
import type { OpenSegmentOptions, SegmentStart } from './open-segment.js';
import { OpenSegment } from './open-segment.js';
import type { Recovered } from './recovery.js';
import { WaitEnded } from './room.js';
import { countFitting, fitsSegment } from './segment.js';
import type { SegmentIndex } from './segment-index.js';
import { readSealedIndex } from './sealed-index.js';
import { applyTruncation } from './truncation.js';
import type { Truncation, TruncationRecord } from './truncation-record.js';

/**
 * Bytes of one durable write, unless a single batch has more: longer ones gain nothing, and all that
 * comes waits for them (docs/BENCHMARKS.md). No more than groupBytesMax, which recovery relies on.
 */
export const writeBytesMax = 4 * 2 ** 20;

export interface WriterOptions extends Omit<OpenSegmentOptions, 'onFailed'> {
  readonly record: TruncationRecord;
  /** What was appended between two offsets and is not written yet, to be used at once. */
  readonly bytesOf: (from: number, to: number) => readonly Buffer[];
  /** Everything below `offset`, as the log is now, is on disk. */
  readonly onWritten: (offset: number) => void;
  /** The segments from `baseOffset` on were cut back or removed; nothing is written before it ends. */
  readonly onCut: (baseOffset: number) => Promise<void>;
  /** Puts right what a segment has lost, as far as that can be done. */
  readonly mend: (baseOffset: number) => Promise<unknown>;
  /** Called once; nothing is written after it. */
  readonly onFailed: (error: LogLogError) => void;
}

export class Writer {
  readonly #options: WriterOptions;
  readonly #bases: number[];
  #open: OpenSegment | undefined;
  /** Where what has been written, or is being written, ends. */
  #issued: SegmentStart;
  #queue: BatchHeader[] = [];
  /** Before anything else is written, the log is to be cut back to here. */
  #truncateTo: number | undefined;
  #state: 'idle' | 'running' | 'failed' | 'closed' = 'idle';
  #running: Promise<void> = Promise.resolve();

  constructor(options: WriterOptions, { bases, end }: Recovered) {
    this.#options = options;
    this.#bases = [...bases];
    this.#issued = end;
  }

  /** Opens the last segment, if there is one, before anything else is asked of the writer. */
  async open({ index, end }: Recovered): Promise<void> {
    if (index !== undefined) this.#open = await this.#reopen(index, end.offset);
  }

  /** Base offsets of the segments that exist, ascending. */
  get bases(): readonly number[] {
    return this.#bases;
  }

  /** The index of the segment that is being written. */
  get openIndex(): SegmentIndex | undefined {
    return this.#open?.index;
  }

  /** Segments in front of the one that is written are there that were not when the log was opened. */
  found(bases: readonly number[]): void {
    for (const base of bases) {
      this.#bases.splice(this.#bases.findLastIndex((other) => other < base) + 1, 0, base);
    }
  }

  /** Queues batches that follow what is queued. Throws DISK_FAILED, or SHUTTING_DOWN once closed. */
  append(headers: readonly BatchHeader[]): void {
    if (this.#state === 'failed') {
      throw new LogLogError('DISK_FAILED', 'writing has failed: the log takes no more');
    }
    if (this.#state === 'closed') throw new LogLogError('SHUTTING_DOWN', 'the log is closed');
    for (const header of headers) this.#queue.push(header);
    this.#run();
  }

  /** Cancels what is queued from `offset` on, and cuts off what is written behind it. */
  truncate(offset: number): void {
    this.#queue = this.#queue.filter((header) => header.offset < offset);
    if (offset > this.#issued.offset) return;
    this.#truncateTo = Math.min(offset, this.#truncateTo ?? offset);
    this.#run();
  }

  /** Writes what is queued, unless writing has failed or the disk is full, and closes the file. */
  async close(): Promise<void> {
    this.#options.room.close();
    await this.#running;
    if (this.#state !== 'failed') this.#state = 'closed';
    await this.#open?.close();
  }

  #run(): void {
    if (this.#state !== 'idle') return;
    this.#state = 'running';
    this.#running = this.#work();
  }

  async #work(): Promise<void> {
    try {
      while (this.#state === 'running') {
        if (this.#truncateTo !== undefined) await this.#cutBack(this.#truncateTo);
        else if (this.#queue.length > 0) await this.#writeGroup(this.#queue);
        else this.#state = 'idle';
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Or gets the ground ready for it: meanwhile any batch may be cancelled. */
  async #writeGroup([first]: readonly BatchHeader[]): Promise<void> {
    assert(first?.offset === this.#issued.offset, 'batches follow what is written');
    const segment = await this.#segmentFor(first);
    if (this.#truncateTo !== undefined) return;
    const { segmentBytesMax, bytesOf, onWritten } = this.#options;
    const fitting = countFitting(this.#queue, segment.baseOffset, segmentBytesMax, writeBytesMax);
    const end = (count: number) => batchEnd(this.#queue[count - 1] ?? first);
    if (!segment.isFilledFor(end(1))) return segment.fillFor(end(fitting));
    let count = fitting;
    while (!segment.isFilledFor(end(count))) count -= 1;
    const group = this.#queue.splice(0, count);
    const last = group.at(-1) ?? first;
    this.#issued = startBehind(last);
    await segment.write(group, bytesOf(first.offset, batchEnd(last)));
    if (this.#state !== 'running') return;
    onWritten(Math.min(batchEnd(last), this.#truncateTo ?? Infinity));
  }

  /** The open segment, or, where the batch has no place in it, a new one. */
  async #segmentFor(header: BatchHeader): Promise<OpenSegment> {
    const { segmentBytesMax, room } = this.#options;
    const open = this.#open;
    if (open !== undefined) {
      if (fitsSegment(header, open.baseOffset, segmentBytesMax)) return open;
      await open.seal(header.offset);
      this.#open = undefined;
    }
    const start = this.#issued;
    const created = await room.wait(() => OpenSegment.create(this.#segmentOptions(), start));
    this.#open = created;
    this.#bases.push(start.offset);
    return created;
  }

  async #cutBack(offset: number): Promise<void> {
    const { record } = this.#options;
    const truncation = { offset, endOffset: this.#issued.offset };
    if (offset < truncation.endOffset) {
      await record.write(truncation);
      await this.#drop(truncation);
      await record.clear();
    } else if (this.#open?.baseOffset === offset) {
      // Nothing was written into it yet, and what comes instead may fit into the one before.
      await this.#drop(truncation);
    }
    if (this.#truncateTo === offset) this.#truncateTo = undefined;
  }

  async #drop(truncation: Truncation): Promise<void> {
    const { disk, directory, clusterId, room, onCut } = this.#options;
    const { offset } = truncation;
    const index = await this.#readMended(offset, () => this.#indexBefore(offset));
    await this.#open?.close();
    this.#open = undefined;
    await room.wait(() => applyTruncation(disk, directory, clusterId, truncation));
    this.#bases.splice(this.#bases.findLastIndex((baseOffset) => baseOffset < offset) + 1);
    if (index === undefined) {
      this.#issued = { offset, chain: genesisChain(clusterId), term: 0 };
      return onCut(0);
    }
    index.cut(offset);
    const read = () => lastBatchBefore(disk, directory, index, offset);
    this.#issued = startBehind(await this.#readMended(offset, read));
    assert(this.#issued.offset === offset, 'the log is cut where a batch begins');
    this.#open = await this.#readMended(offset, () => this.#reopen(index, offset));
    await onCut(index.baseOffset);
  }

  /** Reads in front of `offset`; where rot is in the way, it is mended and read again. */
  async #readMended<T>(offset: number, read: () => Promise<T>): Promise<T> {
    try {
      return await read();
    } catch (error) {
      const baseOffset = this.#bases.findLast((base) => base < offset);
      const isRot = error instanceof LogLogError && error.code === 'DATA_CORRUPT';
      if (!isRot || baseOffset === undefined) throw error;
      await this.#options.mend(baseOffset);
      return read();
    }
  }

  /** Of the segment that holds the last byte in front of `offset`. */
  async #indexBefore(offset: number): Promise<SegmentIndex | undefined> {
    const baseOffset = this.#bases.findLast((base) => base < offset);
    if (baseOffset === undefined) return undefined;
    if (baseOffset === this.#open?.baseOffset) return this.#open.index;
    const { disk, directory, segmentBytesMax } = this.#options;
    return readSealedIndex(disk, directory, baseOffset, segmentBytesMax);
  }

  #reopen(index: SegmentIndex, endOffset: number): Promise<OpenSegment> {
    return OpenSegment.reopen(this.#segmentOptions(), index, endOffset);
  }

  #segmentOptions(): OpenSegmentOptions {
    return { ...this.#options, onFailed: (error) => this.#fail(error) };
  }

  #fail(error: unknown): void {
    if (this.#state === 'failed') return;
    this.#queue = [];
    if (error instanceof WaitEnded) {
      this.#state = 'closed';
      return;
    }
    this.#state = 'failed';
    const reason = error instanceof Error ? error.message : String(error);
    this.#options.onFailed(
      error instanceof LogLogError
        ? error
        : new LogLogError('DISK_FAILED', `the log cannot be written: ${reason}`, { cause: error }),
    );
  }
}

function startBehind(header: BatchHeader): SegmentStart {
  return { offset: batchEnd(header), chain: header.chain, term: header.term };
}
