/** A segment file read from front to back through a buffer of bounded size. */
import type { DiskFile } from './disk.js';
import { DiskError } from './disk.js';
import { corrupt, offsetAt } from './segment.js';

/** For reading a whole segment. */
export const scanChunkBytes = 2 ** 20;

export class SegmentWindow {
  readonly baseOffset: number;
  /** Of the file, in bytes, when the window was opened. */
  readonly length: number;
  readonly #file: DiskFile;
  readonly #chunkBytes: number;
  #buffer: Buffer = Buffer.alloc(0);
  #position = 0;

  constructor(file: DiskFile, baseOffset: number, length: number, chunkBytes = scanChunkBytes) {
    this.#file = file;
    this.baseOffset = baseOffset;
    this.length = length;
    this.#chunkBytes = chunkBytes;
  }

  /**
   * The `count` bytes at `position`, or fewer where the file ends. They are never overwritten:
   * views of them may be kept.
   */
  async bytesAt(position: number, count: number): Promise<Buffer> {
    const wanted = Math.min(count, Math.max(0, this.length - position));
    let at = position - this.#position;
    if (at < 0 || at + wanted > this.#buffer.length) {
      const bytes = Math.min(Math.max(wanted, this.#chunkBytes), this.length - position);
      this.#buffer = await readSegment(this.#file, this.baseOffset, position, bytes);
      this.#position = position;
      at = 0;
    }
    return this.#buffer.subarray(at, at + wanted);
  }
}

/** New memory with the bytes at `position`, or fewer where the file ends. */
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
    const unreadable = error instanceof DiskError && error.code === 'EIO';
    if (!unreadable) throw error;
    throw corrupt(baseOffset, offsetAt(baseOffset, position), 'the disk cannot read it', error);
  }
}
