/**
 * Checks the data directory of a node that does not run: identity, term and vote, every segment,
 * every checksum, and the chain from the front. Nothing is written, not even a lock: of a running
 * node it sees the newest bytes half done.
 */
import { join } from 'node:path';
import type { BatchHeader, Chain } from '../../proto/batch.js';
import { batchEnd, genesisChain } from '../../proto/batch.js';
import { LogLogError } from '../../proto/errors.js';
import { loadCheckpoint } from './checkpoint.js';
import type { Disk } from './disk.js';
import { Fill } from './fill.js';
import { HardState } from './hard-state.js';
import type { Identity } from './identity.js';
import { loadIdentity } from './identity.js';
import type { Place, Scanned } from './scan.js';
import { scanBatches } from './scan.js';
import type { SegmentHeader } from './segment.js';
import {
  endsBehindHeader,
  foreignness,
  misplacement,
  parseName,
  positionOf,
  segmentName,
  segmentsIn,
} from './segment.js';
import { listSegments, openWindow, readSegmentHeader } from './segment-files.js';
import { SegmentWindow } from './segment-window.js';
import { isBlank, isTorn, isUnfinished } from './torn.js';
import type { Truncation } from './truncation-record.js';
import { TruncationRecord } from './truncation-record.js';

export interface Problem {
  /** Relative to the data directory. */
  readonly file: string;
  /** In the log; 0 for a file that is not a segment. */
  readonly offset: number;
  readonly reason: string;
}

export interface VerifyReport {
  /** There is no problem. */
  readonly ok: boolean;
  /** Null where the identity cannot be read. */
  readonly clusterId: string | null;
  readonly nodeId: string | null;
  readonly segments: number;
  /** Of the batches that are as they should be; so are the two counts that follow. */
  readonly bytes: number;
  readonly batches: number;
  /** In data batches. */
  readonly entries: number;
  /** Behind the last good batch, and the chain value there; empty without an identity. */
  readonly endOffset: number;
  readonly chain: Chain;
  readonly problems: readonly Problem[];
  /** What is worth knowing and is no problem. */
  readonly notes: readonly string[];
}

export type OnProgress = (doneBytes: number, totalBytes: number) => void;

/** Progress is told in bytes of files, behind every segment. Throws CANCELLED if the signal is aborted, and DiskError where the disk cannot be read at all. */
export async function verifyDirectory(
  disk: Disk,
  directory: string,
  onProgress: OnProgress = () => {},
  signal?: AbortSignal,
): Promise<VerifyReport> {
  return new Verification(disk, directory, onProgress, signal).run();
}

class Verification {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #segmentDirectory: string;
  readonly #onProgress: OnProgress;
  readonly #signal: AbortSignal | undefined;
  readonly #problems: Problem[] = [];
  readonly #notes: string[] = [];
  #bytes = 0;
  #batches = 0;
  #entries = 0;
  #endOffset = 0;
  #chain = '';
  #doneBytes = 0;
  #totalBytes = 0;

  constructor(
    disk: Disk,
    directory: string,
    onProgress: OnProgress,
    signal: AbortSignal | undefined,
  ) {
    this.#disk = disk;
    this.#directory = directory;
    this.#segmentDirectory = segmentsIn(directory);
    this.#onProgress = onProgress;
    this.#signal = signal;
  }

  async run(): Promise<VerifyReport> {
    const identity = await this.#checked('identity', this.#identity());
    await this.#checked('hard-state', HardState.peek(this.#disk, this.#directory));
    const truncation = await this.#checked(
      'truncation',
      TruncationRecord.peek(this.#disk, this.#directory),
    );
    const bases = await this.#bases(truncation ?? null);
    if (identity !== undefined) await this.#segments(identity, bases, truncation ?? null);
    if (identity !== undefined) await this.#committedEnd();
    return {
      ok: this.#problems.length === 0,
      clusterId: identity?.clusterId ?? null,
      nodeId: identity?.nodeId ?? null,
      segments: bases.length,
      bytes: this.#bytes,
      batches: this.#batches,
      entries: this.#entries,
      endOffset: this.#endOffset,
      chain: this.#chain,
      problems: this.#problems,
      notes: this.#notes,
    };
  }

  /** The value, or undefined and a problem. */
  async #checked<T>(file: string, value: Promise<T>): Promise<T | undefined> {
    try {
      return await value;
    } catch (error) {
      this.#addProblem(file, 0, error instanceof Error ? error.message : String(error));
      return undefined;
    }
  }

  async #identity(): Promise<Identity> {
    const identity = await loadIdentity(this.#disk, this.#directory);
    if (identity !== undefined) return identity;
    throw new LogLogError('DATA_CORRUPT', 'it is missing: this is no data directory of a node');
  }

  /** Of the segments that belong to the log. */
  async #bases(truncation: Truncation | null): Promise<number[]> {
    for (const name of await this.#disk.list(this.#segmentDirectory)) {
      if (parseName(name) === undefined) this.#notes.push(`log/${name} is none of the log's files`);
    }
    const bases = await listSegments(this.#disk, this.#segmentDirectory);
    if (truncation === null) return bases;
    const { offset } = truncation;
    this.#notes.push(`the log is being cut back to ${offset}; the next start finishes that`);
    return bases.filter((baseOffset) => baseOffset < offset);
  }

  async #segments(
    identity: Identity,
    bases: readonly number[],
    truncation: Truncation | null,
  ): Promise<void> {
    for (const baseOffset of bases) {
      const path = join(this.#segmentDirectory, segmentName(baseOffset));
      this.#totalBytes += (await this.#disk.lengthOf(path)) ?? 0;
    }
    this.#chain = genesisChain(identity.clusterId);
    let place: Place | undefined = { offset: 0, chain: this.#chain, term: 0, timeMs: 0 };
    for (const [i, baseOffset] of bases.entries()) {
      const nextBase = bases[i + 1];
      const { file, window } = await openWindow(this.#disk, this.#segmentDirectory, baseOffset);
      const cut = positionOf(baseOffset, truncation?.offset ?? Infinity);
      const visible = new SegmentWindow(file, baseOffset, Math.min(window.length, cut));
      const name = `log/${segmentName(baseOffset)}`;
      try {
        const from: Place | undefined = place;
        place = await this.#checkedSegment(name, visible, () =>
          this.#segment(name, visible, identity, from, nextBase),
        );
      } finally {
        await file.close();
      }
      this.#doneBytes += window.length;
      this.#onProgress(this.#doneBytes, this.#totalBytes);
    }
  }

  /** A checkpoint tells how far the log has been: what is missing at its end, nothing else shows. */
  async #committedEnd(): Promise<void> {
    const checkpoint = await loadCheckpoint(this.#disk, this.#directory);
    if (checkpoint === undefined || checkpoint.offset <= this.#endOffset) return;
    const known = checkpoint.offset;
    const reason = `the log ends at ${this.#endOffset}, and ${known} is known to be committed`;
    this.#addProblem('log', this.#endOffset, reason);
  }

  /** Where the next segment has to go on; undefined behind a problem. */
  async #checkedSegment(
    name: string,
    window: SegmentWindow,
    check: () => Promise<Place | undefined>,
  ): Promise<Place | undefined> {
    try {
      return await check();
    } catch (error) {
      const bad = error instanceof LogLogError && error.code !== 'CANCELLED';
      if (!bad) throw error;
      this.#addProblem(name, window.baseOffset, error.message);
      return undefined;
    }
  }

  async #segment(
    name: string,
    window: SegmentWindow,
    identity: Identity,
    from: Place | undefined,
    nextBase: number | undefined,
  ): Promise<Place | undefined> {
    const { baseOffset } = window;
    const fill = new Fill(identity.clusterId, baseOffset);
    const decoded = await readSegmentHeader(window);
    if (!decoded.ok) {
      const unfinished = nextBase === undefined && (await isUnfinished(window, fill));
      if (unfinished) this.#notes.push(`${name} was being made; the next start removes it`);
      else this.#addProblem(name, baseOffset, decoded.reason);
      return undefined;
    }
    const { header } = decoded;
    const wrong =
      foreignness(header, identity) ??
      misplacement(header, baseOffset) ??
      (from && gapBefore(header, from));
    if (wrong !== undefined) this.#addProblem(name, baseOffset, wrong);
    const { chain, term } = header;
    const start =
      wrong === undefined && from ? from : { offset: baseOffset, chain, term, timeMs: 0 };
    const scanned = await scanBatches(window, identity.segmentBytesMax, start, (batch) =>
      this.#count(batch),
    );
    return this.#endOfSegment(name, window, fill, scanned, nextBase);
  }

  async #endOfSegment(
    name: string,
    window: SegmentWindow,
    fill: Fill,
    { place, damage }: Scanned,
    nextBase: number | undefined,
  ): Promise<Place | undefined> {
    const { offset } = place;
    if (damage === undefined) {
      if (offset === window.baseOffset) this.#addProblem(name, offset, endsBehindHeader);
      if (nextBase === undefined || nextBase === offset) return place;
      this.#addProblem(name, offset, `the next segment begins at offset ${nextBase}`);
      return undefined;
    }
    if (nextBase !== undefined || !(await isTorn(window, fill, offset, damage))) {
      this.#addProblem(name, offset, damage.reason);
      return undefined;
    }
    if (!(await isBlank(window, fill, positionOf(window.baseOffset, offset)))) {
      this.#notes.push(
        `${name}: what stands at offset ${offset} was never written to its end (by a node that ` +
          'lost power, or still runs); the next start cuts it off',
      );
    }
    return place;
  }

  #count(header: BatchHeader): void {
    if (this.#signal?.aborted) {
      throw new LogLogError('CANCELLED', 'the verification was cancelled', {
        cause: this.#signal.reason,
      });
    }
    this.#bytes += batchEnd(header) - header.offset;
    this.#batches += 1;
    if (header.kind === 'data') this.#entries += header.entryCount;
    this.#endOffset = batchEnd(header);
    this.#chain = header.chain;
  }

  #addProblem(file: string, offset: number, reason: string): void {
    this.#problems.push({ file, offset, reason });
  }
}

/** Why the segment does not go on where the log has got to, if it does not. */
function gapBefore(header: SegmentHeader, from: Place): string | undefined {
  if (header.baseOffset !== from.offset)
    return `what comes behind offset ${from.offset} is missing`;
  if (header.chain !== from.chain || header.term !== from.term) {
    return 'the segment does not follow the one before it';
  }
  return undefined;
}
