/**
 * The segment that is being written: the fill pattern goes ahead of the writer in the background,
 * and batches are written only where it is durable, with a sector of it left behind them.
 */
import { join } from 'node:path';
import type { Batch } from '../../proto/batch.js';
import { batchEnd } from '../../proto/batch.js';
import { assert } from '../../proto/errors.js';
import type { Disk, DiskFile } from './disk.js';
import { Fill } from './fill.js';
import type { Room } from './room.js';
import { WaitEnded } from './room.js';
import type { SegmentFormat } from './segment.js';
import {
  encodeSegmentHeader,
  fileHeaderBytes,
  positionOf,
  roundUpToSector,
  sectorBytes,
  segmentName,
} from './segment.js';
import { saveIndex, SegmentIndex } from './segment-index.js';
import type { Place } from './scan.js';

const fillChunkBytesMax = 2 ** 20;

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
    endOffset: number,
    filled: number,
  ) {
    this.#options = options;
    this.#file = file;
    this.index = index;
    this.#fill = new Fill(options.clusterId, index.baseOffset);
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
    const file = await disk.open(path, 'create');
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
    return new OpenSegment(options, file, new SegmentIndex(baseOffset), baseOffset, filled);
  }

  /**
   * Opens a file that has batches up to `endOffset` and the pattern in the rest of the sector. The
   * index is taken over.
   */
  static async reopen(
    options: OpenSegmentOptions,
    index: SegmentIndex,
    endOffset: number,
  ): Promise<OpenSegment> {
    const { disk, directory } = options;
    const file = await disk.open(join(directory, segmentName(index.baseOffset)), 'write');
    const filled = roundUpToSector(positionOf(index.baseOffset, endOffset));
    return new OpenSegment(options, file, index, endOffset, filled);
  }

  /** Durable when it resolves. The batches follow what was written before. */
  async write(batches: readonly Batch[]): Promise<void> {
    const position = this.#written;
    const parts: Buffer[] = [];
    let end = position;
    for (const { header, headerBytes, body } of batches) {
      assert(positionOf(this.baseOffset, header.offset) === end, 'batches are written in order');
      this.index.add(header.offset);
      parts.push(headerBytes);
      if (body.length > 0) parts.push(body);
      end = positionOf(this.baseOffset, batchEnd(header));
    }
    this.#fillMax = Math.max(this.#fillMax, roundUpToSector(end) + sectorBytes);
    if (this.#filled < roundUpToSector(end) + sectorBytes) {
      await this.#waitForFill(roundUpToSector(end) + sectorBytes);
    }
    await this.#file.write(parts, position);
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

  async #waitForFill(position: number): Promise<void> {
    this.#fillWanted = position;
    while (this.#filled < position) {
      this.#fillAhead();
      assert(this.#filling !== undefined, 'what is not filled yet is being filled');
      await this.#filling;
      if (this.#stop.signal.aborted) throw new WaitEnded('no longer filling the segment');
    }
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
    const segmentEnd = Math.max(this.baseOffset + this.#options.segmentBytesMax, endOffset);
    return roundUpToSector(positionOf(this.baseOffset, segmentEnd)) + sectorBytes;
  }
}

/** Bytes filled by one write. */
function chunkBytes({ fillAheadBytes, segmentBytesMax }: OpenSegmentOptions): number {
  const bytes = Math.min(fillAheadBytes, segmentBytesMax, fillChunkBytesMax);
  return roundUpToSector(Math.max(bytes, sectorBytes));
}
