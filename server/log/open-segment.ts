/**
 * The segment that is being written: the fill pattern goes ahead of the writer in the background,
 * and batches are written only where it is durable, with a sector of it left behind them. All that
 * is written are whole blocks: of the first one what stands there already is written again, and
 * the last one ends with the pattern.
 */
import { join } from 'node:path';
import type { BatchHeader } from '../../proto/batch.js';
import { batchEnd } from '../../proto/batch.js';
import { assert } from '../../proto/errors.js';
import type { Disk, DiskFile } from './disk.js';
import { blockBytes } from './disk.js';
import { Fill } from './fill.js';
import { findBatch } from './find-batch.js';
import type { Room } from './room.js';
import { WaitEnded } from './room.js';
import type { SegmentFormat } from './segment.js';
import {
  corrupt,
  encodeSegmentHeader,
  fileHeaderBytes,
  offsetAt,
  positionOf,
  roundUpToBlock,
  sectorBytes,
  segmentName,
} from './segment.js';
import { openWindow } from './segment-files.js';
import { saveIndex, SegmentIndex } from './segment-index.js';
import { readSegment } from './segment-window.js';
import type { Place } from './scan.js';
import { wholeBatches } from './whole-batches.js';

const fillChunkBytesMax = 2 ** 20;

const nothing = Buffer.alloc(0);

export interface OpenSegmentOptions extends SegmentFormat {
  readonly disk: Disk;
  /** The segments'. */
  readonly directory: string;
  readonly fillAheadBytes: number;
  readonly room: Room;
  /** Of filling in the background. */
  readonly onFailed: (error: unknown) => void;
}

/** Where a segment begins, and what stands in front of it. */
export type SegmentStart = Pick<Place, 'offset' | 'chain' | 'term'>;

export class OpenSegment {
  readonly index: SegmentIndex;
  readonly #options: OpenSegmentOptions;
  readonly #file: DiskFile;
  readonly #fill: Fill;
  readonly #stop = new AbortController();
  /** What stands in the block where the next batch goes, in front of that. */
  #head: Buffer;
  /** File positions: where the next batch goes, the end of durable pattern, where that is to end. */
  #written: number;
  #filled: number;
  #fillMax: number;
  /** How far a write that waits needs the pattern. */
  #fillWanted = 0;
  #filling: Promise<void> | undefined;

  private constructor(
    options: OpenSegmentOptions,
    file: DiskFile,
    index: SegmentIndex,
    head: Buffer,
    endOffset: number,
    filled: number,
  ) {
    this.#options = options;
    this.#file = file;
    this.index = index;
    this.#fill = new Fill(options.clusterId, index.baseOffset);
    this.#head = head;
    this.#written = positionOf(index.baseOffset, endOffset);
    this.#filled = filled;
    this.#fillMax = this.#fillMaxFor(endOffset);
    this.#fillAhead();
  }

  get baseOffset(): number {
    return this.index.baseOffset;
  }

  /**
   * Makes the file, durably. Its first part is filled before it gets a header: a file with a header
   * never shows anything but the pattern and batches behind it. Leaves no file if it fails.
   */
  static async create(
    options: OpenSegmentOptions,
    { offset: baseOffset, chain, term }: SegmentStart,
  ): Promise<OpenSegment> {
    const { disk, directory, clusterId, segmentBytesMax } = options;
    const path = join(directory, segmentName(baseOffset));
    const header = encodeSegmentHeader({ clusterId, segmentBytesMax, baseOffset, chain, term });
    const filled = fileHeaderBytes + chunkBytes(options);
    const file = await disk.open(path, 'create', 'blocks');
    try {
      const fill = new Fill(clusterId, baseOffset);
      await file.write(fill.parts(fileHeaderBytes, filled), fileHeaderBytes);
      await file.write([header], 0);
      await disk.syncDirectory(directory);
    } catch (error) {
      await file.close();
      await disk.remove(path);
      throw error;
    }
    const index = new SegmentIndex(baseOffset);
    return new OpenSegment(options, file, index, nothing, baseOffset, filled);
  }

  /**
   * Opens a file that has batches up to `endOffset` and the pattern in the rest of the block. The
   * index is taken over. Throws DATA_CORRUPT.
   */
  static async reopen(
    options: OpenSegmentOptions,
    index: SegmentIndex,
    endOffset: number,
  ): Promise<OpenSegment> {
    const { disk, directory } = options;
    const { baseOffset } = index;
    const position = positionOf(baseOffset, endOffset);
    const head = await readHead(options, index, endOffset);
    const file = await disk.open(join(directory, segmentName(baseOffset)), 'write', 'blocks');
    return new OpenSegment(options, file, index, head, endOffset, roundUpToBlock(position));
  }

  /** Whether batches may be written up to there now. */
  isFilledFor(endOffset: number): boolean {
    return this.#filled >= this.#fillNeededFor(endOffset);
  }

  /** Resolves when they may. */
  async fillFor(endOffset: number): Promise<void> {
    this.#fillWanted = this.#fillNeededFor(endOffset);
    this.#fillMax = Math.max(this.#fillMax, this.#fillWanted);
    while (this.#filled < this.#fillWanted) {
      this.#fillAhead();
      assert(this.#filling !== undefined, 'what is not filled yet is being filled');
      await this.#filling;
      if (this.#stop.signal.aborted) throw new WaitEnded('no longer filling the segment');
    }
  }

  /**
   * Durable when it resolves. The batches follow what was written before, on filled ground; their
   * bytes have been taken when this returns.
   */
  async write(headers: readonly BatchHeader[], bytes: readonly Buffer[]): Promise<void> {
    let end = this.#written;
    for (const header of headers) {
      assert(positionOf(this.baseOffset, header.offset) === end, 'batches are written in order');
      this.index.add(header.offset);
      end = positionOf(this.baseOffset, batchEnd(header));
    }
    assert(this.isFilledFor(offsetAt(this.baseOffset, end)), 'the ground is filled');
    const parts = [this.#head, ...bytes];
    const head = lastBytes(parts, end % blockBytes);
    parts.push(...this.#fill.parts(end, roundUpToBlock(end)));
    await this.#file.write(parts, this.#written - this.#head.length);
    this.#head = head;
    this.#written = end;
    this.#fillAhead();
  }

  /** Ends the file with its last batch and writes its index. The segment is closed then. */
  async seal(endOffset: number): Promise<void> {
    const { disk, directory, room } = this.#options;
    assert(positionOf(this.baseOffset, endOffset) === this.#written, 'all of it was written');
    await this.#stopFilling();
    await this.#file.truncate(this.#written);
    await room.wait(() => saveIndex(disk, directory, this.index, endOffset));
    await disk.syncDirectory(directory);
    await this.#file.close();
  }

  async close(): Promise<void> {
    await this.#stopFilling();
    await this.#file.close();
  }

  async #stopFilling(): Promise<void> {
    this.#stop.abort();
    await this.#filling;
  }

  #fillNeededFor(endOffset: number): number {
    return roundUpToBlock(positionOf(this.baseOffset, endOffset) + sectorBytes);
  }

  /** Begins to fill, where there is enough to do and it is not under way. */
  #fillAhead(): void {
    if (this.#filling !== undefined || this.#nextFilled() === undefined) return;
    this.#filling = this.#fillInTurn().finally(() => (this.#filling = undefined));
  }

  async #fillInTurn(): Promise<void> {
    const { room, onFailed } = this.#options;
    const { signal } = this.#stop;
    try {
      for (let to = this.#nextFilled(); to !== undefined; to = this.#nextFilled()) {
        const end = to;
        const from = this.#filled;
        await room.wait(() => this.#file.write(this.#fill.parts(from, end), from), signal);
        this.#filled = end;
      }
    } catch (error) {
      this.#stop.abort();
      if (!(error instanceof WaitEnded)) onFailed(error);
    }
  }

  /** How far the next piece of filling goes, if one is due. */
  #nextFilled(): number | undefined {
    if (this.#stop.signal.aborted || this.#filled >= this.#fillMax) return undefined;
    const next = Math.min(this.#fillMax, this.#filled + chunkBytes(this.#options));
    const due = this.#filled < this.#fillWanted;
    return due || next <= this.#written + this.#options.fillAheadBytes ? next : undefined;
  }

  #fillMaxFor(endOffset: number): number {
    return this.#fillNeededFor(
      Math.max(this.baseOffset + this.#options.segmentBytesMax, endOffset),
    );
  }
}

/** Bytes filled by one write. */
function chunkBytes({ fillAheadBytes, segmentBytesMax }: OpenSegmentOptions): number {
  const bytes = Math.min(fillAheadBytes, segmentBytesMax, fillChunkBytesMax);
  return roundUpToBlock(Math.max(bytes, blockBytes));
}

/**
 * What stands in the block of a batch's end, in front of that. All of it is verified: it is going
 * to be written again. Throws DATA_CORRUPT.
 */
async function readHead(
  { disk, directory }: OpenSegmentOptions,
  index: SegmentIndex,
  endOffset: number,
): Promise<Buffer> {
  const { baseOffset } = index;
  const end = positionOf(baseOffset, endOffset);
  const headBytes = end % blockBytes;
  if (headBytes === 0) return nothing;
  const { file, window } = await openWindow(disk, directory, baseOffset);
  try {
    const { offset } = await findBatch(window, index, endOffset - headBytes);
    const count = endOffset - offset;
    const bytes = await readSegment(file, baseOffset, positionOf(baseOffset, offset), count);
    const { next } = wholeBatches(bytes, baseOffset, offset, count);
    if (next !== endOffset) throw corrupt(baseOffset, next, 'the batch is cut short');
    return Buffer.from(bytes.subarray(-headBytes));
  } finally {
    await file.close();
  }
}

/** A copy of the last `count` bytes of `parts`. */
function lastBytes(parts: readonly Buffer[], count: number): Buffer {
  const bytes = Buffer.allocUnsafeSlow(count);
  let left = count;
  for (let at = parts.length - 1; left > 0; at -= 1) {
    const part = parts[at];
    assert(part !== undefined, 'the parts have as many bytes');
    const from = Math.max(0, part.length - left);
    left -= part.copy(bytes, left - (part.length - from), from);
  }
  return bytes;
}
