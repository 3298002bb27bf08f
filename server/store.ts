/**
 * What this node has: its log, and what the log says up to its end (`tip`, which the leader
 * decides by) and up to the commit offset (`committed`, which nothing can take back).
 */
import type { Batch, BatchHeader } from '../proto/batch.js';
import { batchEnd, genesisChain, nextChain } from '../proto/batch.js';
import type { Clock } from '../proto/clock.js';
import { assert, LogLogError } from '../proto/errors.js';
import { loadCheckpoint, saveCheckpoint } from './log/checkpoint.js';
import type { Disk } from './log/disk.js';
import { DiskError } from './log/disk.js';
import { Log } from './log/log.js';
import type { Mended } from './log/mend.js';
import type { Donor } from './log/proof.js';
import type { Place } from './log/scan.js';
import { LogState, needsBody } from './log/state.js';

/** A checkpoint is written after this many batches of log, if not after its bytes. */
const checkpointBatchesMax = 50_000;

/** Sealed segments whose index is kept in memory. */
export const indexCacheMax = 64;
export const fillAheadBytes = 8 * 2 ** 20;

const nothing = Buffer.alloc(0);

export interface StoreParts {
  readonly disk: Disk;
  readonly clock: Clock;
  /** Other nodes' copies of the log, for what this disk loses. */
  readonly donor: Donor;
}

export interface StoreOptions {
  readonly clusterId: string;
  readonly segmentBytesMax: number;
  readonly recentBytesMax: number;
  /** Log behind the newest checkpoint, which a restart reads again. */
  readonly checkpointBytesMax: number;
}

export interface StoreHandlers {
  onDurable(offset: number, generation: number): void;
  /** Nothing will be written any more. */
  readonly onFailed: (error: LogLogError) => void;
  /** The disk is full (a reason), or has room again (null). */
  onStalled(reason: string | null): void;
  /** A read or a scrub met rot. */
  onMended(mended: Mended): void;
}

interface Uncommitted {
  readonly header: BatchHeader;
  /** Only of batches whose content the state depends on. */
  readonly body: Buffer;
}

export class Store {
  readonly log: Log;
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #onFailed: (error: LogLogError) => void;
  readonly #committed: LogState;
  readonly #checkpointBytesMax: number;
  #tip: LogState;
  /** Behind `committed`, in order. */
  #uncommitted: Uncommitted[];
  #checkpoint: { offset: number; batches: number; saving: Promise<void> | null };

  static async open(
    { disk, clock, donor }: StoreParts,
    directory: string,
    options: StoreOptions,
    handlers: StoreHandlers,
  ): Promise<Store> {
    const committed = await committedIn(disk, directory, options);
    const tip = committed.clone();
    const uncommitted: Uncommitted[] = [];
    const log = await Log.open(
      disk,
      clock,
      directory,
      { ...options, fillAheadBytes, indexCacheMax },
      placeOf(committed),
      (header, body) => {
        tip.apply(header, body);
        uncommitted.push({ header, body: meaningOf(header, body) });
      },
      handlers,
    );
    log.mendFrom({
      donor,
      committedEnd: () => ({ offset: committed.endOffset, chain: committed.endChain }),
      onMended: (mended) => handlers.onMended(mended),
    });
    return new Store(disk, directory, options, log, committed, tip, uncommitted, handlers.onFailed);
  }

  /** Where the reading of the log begins when it is opened: what is before it is committed. */
  static async place(disk: Disk, directory: string, options: StoreOptions): Promise<Place> {
    return placeOf(await committedIn(disk, directory, options));
  }

  private constructor(
    disk: Disk,
    directory: string,
    { checkpointBytesMax }: StoreOptions,
    log: Log,
    committed: LogState,
    tip: LogState,
    uncommitted: Uncommitted[],
    onFailed: (error: LogLogError) => void,
  ) {
    assert(tip.endOffset === log.endOffset, 'the state ends where the log does');
    this.#disk = disk;
    this.#directory = directory;
    this.#checkpointBytesMax = checkpointBytesMax;
    this.log = log;
    this.#committed = committed;
    this.#tip = tip;
    this.#uncommitted = uncommitted;
    this.#checkpoint = { offset: committed.endOffset, batches: 0, saving: null };
    this.#onFailed = onFailed;
  }

  /** As of the end of the log. */
  get tip(): LogState {
    return this.#tip;
  }

  /** As of the commit offset. */
  get committed(): LogState {
    return this.#committed;
  }

  /** Makes the leader's next batch part of the state, before it is written. */
  order(batch: Batch): void {
    this.#tip.apply(batch.header, batch.body);
    this.#uncommitted.push({ header: batch.header, body: meaningOf(batch.header, batch.body) });
  }

  /** Takes a leader's batches behind this log's end. Throws DATA_CORRUPT if they do not follow. */
  adopt(batches: readonly Batch[]): void {
    for (const batch of batches) {
      if (nextChain(this.#tip.endChain, batch.headerBytes) !== batch.header.chain) {
        throw new LogLogError(
          'DATA_CORRUPT',
          `the batch at ${batch.header.offset} does not follow this node's log`,
        );
      }
      this.order(batch);
    }
    this.log.append(batches);
  }

  truncate(offset: number, generation: number): void {
    assert(offset >= this.#committed.endOffset, 'what is committed is never truncated');
    this.log.truncate(offset, generation);
    this.#uncommitted = this.#uncommitted.filter(({ header }) => header.offset < offset);
    this.#tip = this.#committed.clone();
    for (const { header, body } of this.#uncommitted) this.#tip.apply(header, body);
    assert(this.#tip.endOffset === offset, 'a truncation cuts between batches');
  }

  commit(offset: number): void {
    let count = 0;
    for (const { header, body } of this.#uncommitted) {
      if (batchEnd(header) > offset) break;
      this.#committed.apply(header, body);
      count += 1;
    }
    this.#uncommitted.splice(0, count);
    this.#checkpoint.batches += count;
    const due =
      this.#checkpoint.batches >= checkpointBatchesMax ||
      this.#committed.endOffset - this.#checkpoint.offset >= this.#checkpointBytesMax;
    if (due && this.#checkpoint.saving === null) void this.saveCheckpoint();
  }

  /** Remembers the committed state on disk, so that a restart need not read what is before it. */
  async saveCheckpoint(): Promise<void> {
    await this.#checkpoint.saving;
    const offset = this.#committed.endOffset;
    // A restart begins to read here, so the log must reach this place after any crash.
    if (offset > this.log.durableOffset || offset === this.#checkpoint.offset) return;
    this.#checkpoint = { offset, batches: 0, saving: this.#write(offset) };
    await this.#checkpoint.saving;
    this.#checkpoint.saving = null;
  }

  async close(): Promise<void> {
    await this.log.close();
    await this.saveCheckpoint();
  }

  async #write(offset: number): Promise<void> {
    try {
      await saveCheckpoint(this.#disk, this.#directory, offset, this.#committed.toJson());
    } catch (error) {
      // Nothing depends on a checkpoint but the time that a restart takes: the next one will do.
      if (error instanceof DiskError && error.noSpace) return;
      this.#onFailed(
        new LogLogError('DISK_FAILED', `a checkpoint could not be written: ${String(error)}`, {
          cause: error,
        }),
      );
    }
  }
}

/** As of the newest checkpoint. */
async function committedIn(
  disk: Disk,
  directory: string,
  { clusterId }: StoreOptions,
): Promise<LogState> {
  const saved = await loadCheckpoint(disk, directory);
  if (saved === undefined) return LogState.empty(genesisChain(clusterId));
  return LogState.fromJson(saved.value);
}

function placeOf({ endOffset, endChain, lastTerm, lastTimeMs }: LogState): Place {
  return { offset: endOffset, chain: endChain, term: lastTerm, timeMs: lastTimeMs };
}

function meaningOf(header: BatchHeader, body: Buffer): Buffer {
  return needsBody(header) ? Buffer.from(body) : nothing;
}
