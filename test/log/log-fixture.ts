/** What the tests of the log share: batches that follow each other, and a log on a test disk. */
import type { Batch, Chain } from '../../proto/batch.js';
import { batchEnd, buildBatch, decodeBatch, genesisChain, noProducer } from '../../proto/batch.js';
import { bodyChecksum } from '../../proto/checksum.js';
import type { Clock } from '../../proto/clock.js';
import { encodeEntries } from '../../proto/entries.js';
import type { LogLogError } from '../../proto/errors.js';
import { systemClock } from '../../proto/system.js';
import type { Disk } from '../../server/log/disk.js';
import type { LogOptions } from '../../server/log/log.js';
import { Log } from '../../server/log/log.js';
import type { Place } from '../../server/log/scan.js';
import { seededRandom } from './seeded-random.js';

export const clusterId = 'c1'.repeat(32);
export const directory = '/data';
export const genesis: Place = {
  offset: 0,
  chain: genesisChain(clusterId),
  term: 0,
  timeMs: 0,
};

export const smallSegments: LogOptions = {
  clusterId,
  segmentBytesMax: 64 * 1024,
  fillAheadBytes: 32 * 1024,
  recentBytesMax: 0,
  indexCacheMax: 4,
};

/** Makes batches, each behind the one before. */
export class Batches {
  readonly all: Batch[] = [];
  term = 1;
  readonly #random;
  readonly #genesis: Place;

  constructor(seed = 1, cluster = clusterId) {
    this.#random = seededRandom(seed);
    this.#genesis = { ...genesis, chain: genesisChain(cluster) };
  }

  /** Those that a log holds already. */
  static of(bytes: Buffer): Batches {
    const batches = new Batches();
    for (let at = 0; at < bytes.length;) {
      const decoded = decodeBatch(bytes, at);
      if (!decoded.ok) throw new Error(decoded.reason);
      batches.all.push(decoded.batch);
      batches.term = decoded.batch.header.term;
      at = batchEnd(decoded.batch.header);
    }
    return batches;
  }

  get endOffset(): number {
    return this.place.offset;
  }

  /** Where the last of them ends. */
  get place(): Place {
    const last = this.all.at(-1)?.header;
    if (last === undefined) return this.#genesis;
    const { chain, term, timeMs } = last;
    return { offset: batchEnd(last), chain, term, timeMs };
  }

  get chain(): Chain {
    return this.place.chain;
  }

  /** The log's bytes up to here. */
  get bytes(): Buffer {
    return bytesOf(this.all);
  }

  /** A batch of one random entry of that size. */
  next(entryBytes: number): Batch {
    const body = encodeEntries([this.#random.bytes(entryBytes)]);
    const fields = {
      kind: 'data',
      offset: this.endOffset,
      term: this.term,
      timeMs: 1000 + this.all.length,
      entryCount: 1,
      producer: noProducer,
      epoch: 0,
      sequence: this.all.length,
      bodyChecksum: bodyChecksum(body),
    } as const;
    const batch = buildBatch(fields, body, this.chain);
    this.all.push(batch);
    return batch;
  }

  /** Batches of random sizes, at least one byte and at most `entryBytesMax` each. */
  many(count: number, entryBytesMax: number): Batch[] {
    return Array.from({ length: count }, () =>
      this.next(1 + Math.floor(this.#random.fraction() * entryBytesMax)),
    );
  }

  /** Goes back to what ends at `offset`; what comes then is of the next term. */
  truncate(offset: number): void {
    const kept = this.all.findIndex(({ header }) => header.offset >= offset);
    if (kept >= 0) this.all.length = kept;
    this.term += 1;
  }
}

export function bytesOf(batches: readonly Batch[]): Buffer {
  return Buffer.concat(batches.flatMap(({ headerBytes, body }) => [headerBytes, body]));
}

/** What a log that was opened has told so far. */
export class Told {
  /** Bytes of the batches that recovery handed on. */
  readonly recovered: Buffer[] = [];
  readonly failures: LogLogError[] = [];
  readonly stalls: (string | null)[] = [];
  durable: { offset: number; generation: number } = { offset: 0, generation: 0 };
  #waiting: { offset: number; resolve: () => void }[] = [];

  onDurable(offset: number, generation: number): void {
    this.durable = { offset, generation };
    for (const { resolve } of this.#waiting.filter((waiter) => waiter.offset <= offset)) resolve();
    this.#waiting = this.#waiting.filter((waiter) => waiter.offset > offset);
  }

  durableUpTo(offset: number): Promise<void> {
    if (this.durable.offset >= offset) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ offset, resolve }));
  }
}

export interface OpenedLog {
  readonly log: Log;
  readonly told: Told;
}

export async function openLog(
  disk: Disk,
  options: Partial<LogOptions> = {},
  start: Place = genesis,
  clock: Clock = systemClock,
): Promise<OpenedLog> {
  const told = new Told();
  const log = await Log.open(
    disk,
    clock,
    directory,
    { ...smallSegments, ...options },
    start,
    (_, body) => told.recovered.push(body),
    {
      onDurable: (offset, generation) => told.onDurable(offset, generation),
      onFailed: (error) => told.failures.push(error),
      onStalled: (reason) => told.stalls.push(reason),
    },
  );
  return { log, told };
}

/** The bytes of the log from `offset` to `below`, read page by page. */
export async function readAll(
  log: Log,
  offset = 0,
  below = log.durableOffset,
  limit = 8192,
): Promise<Buffer> {
  const pages: Buffer[] = [];
  for (let at = offset; at < below;) {
    const page = await log.read(at, limit, below);
    pages.push(page.bytes);
    at = page.next;
  }
  return Buffer.concat(pages);
}
