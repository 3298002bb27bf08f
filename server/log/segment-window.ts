/** A segment file read from front to back through a buffer of bounded size. */
import type { DiskFile } from './disk.js';
import { DiskError } from './disk.js';
import { corrupt, offsetAt, sectorBytes } from './segment.js';

/** For reading a whole segment. */
export const scanChunkBytes = 2 ** 20;

/** Stands for what the disk cannot read: neither a batch, nor zeros, nor the fill pattern. */
const unreadableByte = 0xff;

/** What is wrong with a place that the disk fails to read. */
export const unreadableReason = 'the disk cannot read it';

const nothing = Buffer.alloc(0);

export class SegmentWindow {
  readonly baseOffset: number;
  /** Of the file, in bytes, when the window was opened. */
  readonly length: number;
  readonly #file: DiskFile;
  readonly #chunkBytes: number;
  #buffer: Buffer = nothing;
  #position = 0;
  /** Positions of the sectors in the buffer that could not be read. */
  #unreadable: number[] = [];

  constructor(file: DiskFile, baseOffset: number, length: number, chunkBytes = scanChunkBytes) {
    this.#file = file;
    this.baseOffset = baseOffset;
    this.length = length;
    this.#chunkBytes = chunkBytes;
  }

  /**
   * The `count` bytes at `position`, or fewer where the file ends. They are never overwritten:
   * views of them may be kept. A sector that cannot be read is bytes that nobody wrote.
   */
  async bytesAt(position: number, count: number): Promise<Buffer> {
    const wanted = Math.min(count, Math.max(0, this.length - position));
    if (wanted === 0) return nothing;
    let at = position - this.#position;
    if (at < 0 || at + wanted > this.#buffer.length) {
      const bytes = Math.min(Math.max(wanted, this.#chunkBytes), this.length - position);
      await this.#fillBuffer(position, bytes);
      at = 0;
    }
    return this.#buffer.subarray(at, at + wanted);
  }

  /** Whether the disk could read all of what `bytesAt` gave last. */
  isReadable(position: number, count: number): boolean {
    return !this.#unreadable.some((at) => at < position + count && at + sectorBytes > position);
  }

  async #fillBuffer(position: number, count: number): Promise<void> {
    const buffer = Buffer.allocUnsafeSlow(count);
    this.#unreadable = [];
    this.#position = position;
    try {
      this.#buffer = buffer.subarray(0, await this.#file.read(buffer, position));
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      this.#buffer = await this.#readBySector(buffer, position);
    }
  }

  async #readBySector(buffer: Buffer, position: number): Promise<Buffer> {
    for (let at = 0; at < buffer.length;) {
      const count = Math.min(buffer.length - at, sectorBytes - ((position + at) % sectorBytes));
      const sector = buffer.subarray(at, at + count);
      try {
        const bytesRead = await this.#file.read(sector, position + at);
        if (bytesRead < count) return buffer.subarray(0, at + bytesRead);
      } catch (error) {
        if (!isUnreadable(error)) throw error;
        sector.fill(unreadableByte);
        this.#unreadable.push(position + at - ((position + at) % sectorBytes));
      }
      at += count;
    }
    return buffer;
  }
}

/** New memory with the bytes at `position`, or fewer where the file ends. Throws DATA_CORRUPT. */
export async function readSegment(
  file: DiskFile,
  baseOffset: number,
  position: number,
  count: number,
): Promise<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(count);
  try {
    return bytes.subarray(0, await file.read(bytes, position));
  } catch (error) {
    if (!isUnreadable(error)) throw error;
    throw corrupt(baseOffset, offsetAt(baseOffset, position), unreadableReason, error);
  }
}

/** Whether the disk has lost what it was asked for, rather than failed. */
export function isUnreadable(error: unknown): boolean {
  return error instanceof DiskError && error.code === 'EIO';
}
