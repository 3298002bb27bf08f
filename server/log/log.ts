/**
 * The log: batches appended in order, written and synced in groups, read back by offset, cut back
 * by truncation. What it holds is durable when `onDurable` says so.
 */
import type { Batch } from '../../proto/batch.js';
import { batchEnd, decodeHeader } from '../../proto/batch.js';
import type { Clock } from '../../proto/clock.js';
import { assert, LogLogError } from '../../proto/errors.js';
import { headerBytes } from '../../proto/limits.js';
import type { Disk } from './disk.js';
import { DiskError } from './disk.js';
import { PageReader } from './page-reader.js';
import type { Head, Page } from './recent.js';
import { emptyPage, Recent } from './recent.js';
import type { MendSource, Repairs, Scrubbed } from './mending.js';
import { Mending } from './mending.js';
import type { Recovered } from './recovery.js';
import { recover } from './recovery.js';
import { Room } from './room.js';
import { isLoss } from './rot.js';
import type { OnBatch, Place } from './scan.js';
import { segmentsIn } from './segment.js';
import { TruncationRecord } from './truncation-record.js';
import { Writer } from './writer.js';

export interface LogOptions {
  /** 64 hexadecimal digits. */
  readonly clusterId: string;
  /** Of batches in a segment; a larger batch has a segment of its own. Fixed for a cluster. */
  readonly segmentBytesMax: number;
  /** How far the fill pattern goes ahead of the writer. */
  readonly fillAheadBytes: number;
  /** Memory for batches that are durable already. */
  readonly recentBytesMax: number;
  /** Segments that are kept open for reading, each with its index. */
  readonly indexCacheMax: number;
}

export interface LogHandlers {
  /** Everything below `offset`, in the log as of `generation`, survives a power cut. */
  onDurable(offset: number, generation: number): void;
  /** Called once: writing has failed, will not be tried again, and nothing more becomes durable. */
  onFailed(error: LogLogError): void;
  /** The disk is full and writing waits for room (the reason), or goes on (null). */
  onStalled(reason: string | null): void;
}

export class Log {
  readonly #handlers: LogHandlers;
  readonly #record: TruncationRecord;
  readonly #recent: Recent;
  readonly #reader: PageReader;
  readonly #writer: Writer;
  readonly #mending: Mending;
  #endOffset: number;
  #durableOffset: number;
  #generation = 0;
  /** Since it was opened: a read during which this changed is done again. */
  #truncations = 0;

  private constructor(
    disk: Disk,
    clock: Clock,
    directory: string,
    options: LogOptions,
    record: TruncationRecord,
    recovered: Recovered,
    handlers: LogHandlers,
  ) {
    const { offset } = recovered.end;
    const { clusterId, segmentBytesMax, fillAheadBytes, indexCacheMax } = options;
    this.#handlers = handlers;
    this.#record = record;
    this.#recent = new Recent(options.recentBytesMax, offset);
    this.#endOffset = offset;
    this.#durableOffset = offset;
    this.#reader = new PageReader({ disk, directory, segmentBytesMax, indexCacheMax });
    this.#writer = new Writer(
      {
        disk,
        directory,
        clusterId,
        segmentBytesMax,
        fillAheadBytes,
        record,
        bytesOf: (from, to) => this.#recent.viewsOf(from, to),
        room: new Room(clock, (reason) => handlers.onStalled(reason)),
        onWritten: (written) => this.#written(written),
        onCut: (baseOffset) => this.#reader.forget(baseOffset),
        mend: (baseOffset) => this.#mending.mend(baseOffset),
        onFailed: (error) => handlers.onFailed(error),
      },
      recovered,
    );
    this.#mending = new Mending({
      disk,
      directory,
      clusterId,
      segmentBytesMax,
      extent: () => ({ bases: this.#writer.bases, durableOffset: this.#durableOffset }),
      onMended: (baseOffset, made) => {
        this.#writer.found(made);
        return this.#reader.drop(baseOffset);
      },
    });
  }

  /**
   * Opens the log in a data directory and hands on every batch from `start` on, in order, which is
   * a place that the log is known to have reached; `{ offset: 0, chain: genesisChain(clusterId),
   * term: 0, timeMs: 0 }` is the front. What a crash left is finished or cut where that is proven.
   * Throws, with everything kept as it is: Rot for what may be mended (mend.ts) or cut off
   * (cut-tail.ts), DATA_CORRUPT for a log that is not this one, FORMAT_UNKNOWN.
   */
  static async open(
    disk: Disk,
    clock: Clock,
    dataDirectory: string,
    options: LogOptions,
    start: Place,
    onBatch: OnBatch,
    handlers: LogHandlers,
  ): Promise<Log> {
    const { clusterId, segmentBytesMax } = options;
    const directory = segmentsIn(dataDirectory);
    await disk.makeDirectory(directory);
    const record = await TruncationRecord.open(disk, dataDirectory);
    try {
      const recovered = await recover(
        { disk, directory, clusterId, segmentBytesMax, record, onBatch },
        start,
      );
      const log = new Log(disk, clock, directory, options, record, recovered, handlers);
      await log.#writer.open(recovered);
      return log;
    } catch (error) {
      await record.close();
      throw error;
    }
  }

  /** From now on what the disk loses below the committed end is mended when a read meets it. */
  mendFrom(source: MendSource): void {
    this.#mending.use(source);
  }

  /** What was mended since the log was opened. */
  get repairs(): Repairs {
    return this.#mending.repairs;
  }

  /** Base offsets of the segments, ascending. */
  get segments(): readonly number[] {
    return this.#writer.bases;
  }

  /** Where the kept log begins. */
  get firstOffset(): number {
    return this.#writer.bases[0] ?? 0;
  }

  /** Behind the last batch that was appended. */
  get endOffset(): number {
    return this.#endOffset;
  }

  /** Everything below survives a power cut. */
  get durableOffset(): number {
    return this.#durableOffset;
  }

  /** Of the last truncation; 0 before the first. */
  get generation(): number {
    return this.#generation;
  }

  /** Appended and not durable. There is no limit here: whoever appends keeps one. */
  get queuedBytes(): number {
    return this.#endOffset - this.#durableOffset;
  }

  /**
   * Takes batches that follow the end; `onDurable` tells the rest. Throws DISK_FAILED once writing
   * has failed, and SHUTTING_DOWN once the log is closed.
   */
  append(batches: readonly Batch[]): void {
    let end = this.#endOffset;
    for (const { header } of batches) {
      assert(header.offset === end, 'a batch is appended at the end of the log');
      end = batchEnd(header);
    }
    // It asks for the bytes later, and throws where none are to be taken any more.
    this.#writer.append(batches.map(({ header }) => header));
    for (const batch of batches) this.#recent.append(batch, this.#durableOffset);
    this.#endOffset = end;
  }

  /** Ends the log at `offset`, where a batch begins. What comes then is of the new generation. */
  truncate(offset: number, generation: number): void {
    assert(offset <= this.#endOffset, 'the log is not cut behind its end');
    assert(generation > this.#generation, 'every truncation begins a new generation');
    this.#generation = generation;
    this.#truncations += 1;
    this.#endOffset = offset;
    this.#durableOffset = Math.min(offset, this.#durableOffset);
    this.#recent.truncate(offset);
    this.#writer.truncate(offset);
  }

  /**
   * Whole batches from the one that holds the byte at `offset` on, none of them ending behind
   * `below`: at least one, and no more than `limit` bytes if there are several; a page may be
   * shorter than that. It is empty only if not even the first ends at or in front of `below`. What
   * comes from disk is verified. Throws DATA_CORRUPT, UNAVAILABLE while a node that may have what
   * was lost does not answer, OFFSET_TRIMMED, OFFSET_BEYOND_END or DISK_FAILED.
   */
  async read(offset: number, limit: number, below: number): Promise<Page> {
    const recent = this.readRecent(offset, limit, below);
    if (recent !== undefined) return recent;
    const page = await this.#readMended(offset, limit, below);
    return page ?? this.read(offset, limit, below);
  }

  /** The same from memory, or undefined if it is not there. */
  readRecent(offset: number, limit: number, below: number): Page | undefined {
    const end = Math.min(below, this.#endOffset);
    this.#checkOffset(offset, end);
    if (offset === end) return emptyPage(offset);
    return this.#recent.pageFrom(offset, limit, end);
  }

  /** Of the batch that begins exactly there, if that is in memory. */
  recentHead(offset: number): Head | undefined {
    return this.#recent.headAt(offset);
  }

  /** A copy of the batch that begins exactly there, if it is in memory. */
  recentBatch(offset: number): Batch | undefined {
    return this.#recent.batchAt(offset);
  }

  /**
   * Durable batches from the one that begins at `offset` on: at least one, and no more than
   * `bytesMax` bytes if there are several. None if `offset` is at or behind the durable end, or no
   * batch begins there: the log may have been cut back since it was thought of. Throws as `read`.
   */
  async batchesFrom(offset: number, bytesMax: number): Promise<Batch[]> {
    const below = this.#durableOffset;
    if (offset >= below) return [];
    this.#checkOffset(offset, below);
    const recent = this.#recent.pageFrom(offset, bytesMax, below);
    const page = recent ?? (await this.#readMended(offset, bytesMax, below));
    if (page === undefined) return this.batchesFrom(offset, bytesMax);
    const batches = batchesOf(page);
    return batches[0]?.header.offset === offset ? batches : [];
  }

  /**
   * False where no durable batch begins at `offset`; true where one does, and where the disk does
   * not give back what would tell. Nothing is mended for that.
   */
  async mayHold(offset: number): Promise<boolean> {
    if (offset >= this.#durableOffset) return false;
    try {
      const page = await this.#readDisk(offset, 1, this.#durableOffset);
      return page === undefined || page.offset === offset;
    } catch {
      return true;
    }
  }

  /**
   * Reads a segment as far as it is committed and durable, and mends what is bad in it. `pause`
   * is called behind every piece that was read, with its length. Throws DATA_CORRUPT for a file
   * of another log, FORMAT_UNKNOWN, DISK_FAILED, RESOURCE_EXHAUSTED or SHUTTING_DOWN.
   */
  scrub(baseOffset: number, pause: (bytes: number) => Promise<void>): Promise<Scrubbed> {
    return this.#mending.scrub(baseOffset, pause);
  }

  /** Writes what was appended, unless writing has failed or the disk is full, and closes files. */
  async close(): Promise<void> {
    await this.#writer.close();
    await this.#mending.close();
    await this.#reader.close();
    await this.#record.close();
  }

  #written(offset: number): void {
    if (offset <= this.#durableOffset) return;
    this.#durableOffset = offset;
    this.#recent.trim(offset);
    this.#handlers.onDurable(offset, this.#generation);
  }

  #checkOffset(offset: number, end: number): void {
    const { firstOffset } = this;
    if (offset < firstOffset) {
      throw new LogLogError('OFFSET_TRIMMED', `the log begins at offset ${firstOffset}`, {
        firstOffset,
      });
    }
    if (offset > end) {
      throw new LogLogError('OFFSET_BEYOND_END', `offset ${offset} is behind the end ${end}`, {
        end,
      });
    }
  }

  /** What the disk has lost is mended, if it can be, and read again. */
  async #readMended(offset: number, limit: number, below: number): Promise<Page | undefined> {
    try {
      return await this.#readDisk(offset, limit, below);
    } catch (error) {
      const mendableBelow = this.#mending.below;
      if (!isLoss(error) || offset >= mendableBelow) throw error;
      const { unproven } = await this.#mending.mend(this.#segmentWith(offset).baseOffset);
      try {
        return await this.#readDisk(offset, limit, Math.min(below, mendableBelow));
      } catch (lost) {
        if ((unproven?.unanswered ?? 0) === 0 || !isLoss(lost)) throw lost;
        const message = `${lost.message}, and a node that may have it does not answer`;
        throw new LogLogError('UNAVAILABLE', message, { cause: lost });
      }
    }
  }

  #segmentWith(offset: number): { baseOffset: number; nextBase: number | undefined } {
    const { bases } = this.#writer;
    const i = bases.findLastIndex((base) => base <= offset);
    const baseOffset = bases[i];
    assert(baseOffset !== undefined, 'what is durable lies in a segment');
    return { baseOffset, nextBase: bases[i + 1] };
  }

  /** Undefined if the log was truncated meanwhile: what was read may be a mixture. */
  async #readDisk(offset: number, limit: number, below: number): Promise<Page | undefined> {
    const truncations = this.#truncations;
    try {
      const { openIndex } = this.#writer;
      const { baseOffset, nextBase } = this.#segmentWith(offset);
      const endOffset = Math.min(this.#durableOffset, nextBase ?? Infinity);
      const index = openIndex?.baseOffset === baseOffset ? openIndex : undefined;
      const source = { baseOffset, openIndex: index, endOffset };
      const page = await this.#reader.read(source, offset, limit, below);
      return truncations === this.#truncations ? page : undefined;
    } catch (error) {
      if (truncations !== this.#truncations) return undefined;
      if (!(error instanceof DiskError)) throw error;
      throw new LogLogError('DISK_FAILED', error.message, { cause: error });
    }
  }
}

/** The batches of a page that has been verified; they are views of it. */
function batchesOf({ bytes }: Page): Batch[] {
  const batches: Batch[] = [];
  for (let at = 0; at < bytes.length;) {
    const decoded = decodeHeader(bytes, at);
    assert(decoded.ok, 'a page holds whole batches');
    const { header } = decoded;
    const bodyAt = at + headerBytes;
    const end = bodyAt + header.bodyBytes;
    batches.push({
      header,
      headerBytes: bytes.subarray(at, bodyAt),
      body: bytes.subarray(bodyAt, end),
    });
    at = end;
  }
  return batches;
}
