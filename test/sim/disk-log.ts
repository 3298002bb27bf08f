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
import type { Stored } from './stored-log.js';
import { StoredLog } from './stored-log.js';
import { syncedBytes } from './synced-bytes.js';

const segments = segmentsIn(directory);

export class DiskLog extends StoredLog {
  readonly #genesis: Chain;
  /** Of the segment that the last batch lies in. */
  readonly #bases: number[] = [];

  constructor(genesis: Chain) {
    super();
    this.#genesis = genesis;
  }

  /** Forgets the batches that end behind `offset`, and hands each of them on. */
  cut(offset: number, onCut: (batch: Stored) => void): void {
    for (let last = this.last; last !== undefined && last.end > offset; last = this.last) {
      this.batches.pop();
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
      this.batches.push(stored);
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
