/**
 * The log that lies on one node's disk, as a power cut would leave it: followed batch by batch as
 * far as the node says that it is durable, every header, body and chain value verified once.
 */
import { join } from 'node:path';
import type { BatchHeader, Chain } from '../../proto/batch.js';
import { batchEnd, decodeBatch, nextChain, noProducer } from '../../proto/batch.js';
import { segmentName, positionOf, segmentsIn } from '../../server/log/segment.js';
import { directory } from '../engine/cluster.js';
import type { MemoryDisk } from '../log/memory-disk.js';
import { syncedBytes } from './synced-bytes.js';

/** A batch that somebody's disk has held. */
export interface Stored {
  readonly offset: number;
  readonly end: number;
  readonly term: number;
  /** After the batch. */
  readonly chain: Chain;
  /** Producer, epoch, sequence; null of a batch that no client wrote. */
  readonly identity: string | null;
}

const segments = segmentsIn(directory);

export class DiskLog {
  readonly #genesis: Chain;
  readonly #batches: Stored[] = [];
  /** Of the segment that the last batch lies in. */
  readonly #bases: number[] = [];

  constructor(genesis: Chain) {
    this.#genesis = genesis;
  }

  get last(): Stored | undefined {
    return this.#batches.at(-1);
  }

  get end(): number {
    return this.last?.end ?? 0;
  }

  /** The batch that ends there, or the last one that ends before. */
  upTo(offset: number): Stored | undefined {
    return lastUpTo(this.#batches, offset);
  }

  /** Those that end behind `offset`, in order. */
  *behind(offset: number): Generator<Stored> {
    for (let i = countUpTo(this.#batches, offset); i < this.#batches.length; i += 1) {
      const batch = this.#batches[i];
      if (batch !== undefined) yield batch;
    }
  }

  /** Forgets the batches that end behind `offset`, and hands each of them on. */
  cut(offset: number, onCut: (batch: Stored) => void): void {
    for (let last = this.last; last !== undefined && last.end > offset; last = this.last) {
      this.#batches.pop();
      this.#bases.pop();
      onCut(last);
    }
  }

  /** Follows the disk up to `offset`; returns what is wrong there, if anything is. */
  follow(disk: MemoryDisk, offset: number, onBatch: (batch: Stored) => void): string | undefined {
    let base = this.#bases.at(-1) ?? 0;
    while (this.end < offset) {
      const from = this.end;
      const bytes = syncedBytes(disk, pathOf(base), positionOf(base, from), offset - from);
      if (bytes === undefined || bytes.length === 0) {
        if (base === from) return `there is no segment with offset ${from}`;
        base = from;
        continue;
      }
      const problem = this.#take(bytes, base, onBatch);
      if (problem !== undefined) return `at offset ${this.end}: ${problem}`;
    }
    return this.end === offset ? undefined : `no batch ends at ${offset}`;
  }

  /** The batches in `bytes`, which begin where this log ends. */
  #take(bytes: Buffer, base: number, onBatch: (batch: Stored) => void): string | undefined {
    for (let at = 0; at < bytes.length;) {
      const decoded = decodeBatch(bytes, at);
      if (!decoded.ok) return decoded.reason;
      const { header, headerBytes } = decoded.batch;
      if (header.offset !== this.end) return `the batch says that it is at ${header.offset}`;
      if (nextChain(this.last?.chain ?? this.#genesis, headerBytes) !== header.chain) {
        return 'the chain is broken';
      }
      const stored = storedOf(header);
      this.#batches.push(stored);
      this.#bases.push(base);
      onBatch(stored);
      at += stored.end - stored.offset;
    }
    return undefined;
  }
}

function pathOf(base: number): string {
  return join(segments, segmentName(base));
}

function storedOf(header: BatchHeader): Stored {
  const { kind, offset, term, chain, producer, epoch, sequence } = header;
  const isOwn = producer === noProducer || kind === 'noop';
  const identity = isOwn ? null : `${producer} ${kind} ${epoch} ${sequence}`;
  return { offset, end: batchEnd(header), term, chain, identity };
}

/** How many of the batches end at or before `offset`; they ascend. */
export function countUpTo(batches: readonly Stored[], offset: number): number {
  let low = 0;
  let high = batches.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((batches[middle]?.end ?? Infinity) <= offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function lastUpTo(batches: readonly Stored[], offset: number): Stored | undefined {
  return batches[countUpTo(batches, offset) - 1];
}
