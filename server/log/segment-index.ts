/**
 * Finds batches in a segment: the start of a batch about every 64 KiB. A sealed segment's lies
 * beside it in a file; that file is a cache, made again from the segment where it is not whole.
 *
 * The file: magic (4 bytes), format version (u16), zero (u16), base offset (u64), bytes of batches
 * in the segment (u64), the starts (u64 each), and the CRC-32/ISO-HDLC of all before it. Integers
 * are little-endian.
 */
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { assert } from '../../proto/errors.js';
import type { Disk, DiskFile } from './disk.js';
import { DiskError } from './disk.js';
import { indexName } from './segment.js';
import { isUnreadable } from './segment-window.js';

const stepBytes = 64 * 1024;
const magic = 'LLix';
const formatVersion = 1;
const startsAt = 24;
const startBytes = 8;
const checksumBytes = 4;

export class SegmentIndex {
  readonly baseOffset: number;
  /** Ascending; the base itself is not listed. */
  readonly #starts: number[];

  constructor(baseOffset: number, starts: number[] = []) {
    this.baseOffset = baseOffset;
    this.#starts = starts;
  }

  /** Told of every batch, in order. */
  add(offset: number): void {
    if (offset - (this.#starts.at(-1) ?? this.baseOffset) >= stepBytes) this.#starts.push(offset);
  }

  /** Forgets what begins at or behind `offset`. */
  cut(offset: number): void {
    this.#starts.length = this.#countUpTo(offset - 1);
  }

  /** The last known start of a batch that is not behind `offset`. */
  startBefore(offset: number): number {
    assert(offset >= this.baseOffset, 'the offset lies in the segment');
    return this.#starts[this.#countUpTo(offset) - 1] ?? this.baseOffset;
  }

  encode(endOffset: number): Buffer {
    const checksumAt = startsAt + this.#starts.length * startBytes;
    const bytes = Buffer.alloc(checksumAt + checksumBytes);
    bytes.write(magic, 0, 'latin1');
    bytes.writeUInt16LE(formatVersion, 4);
    bytes.writeBigUInt64LE(BigInt(this.baseOffset), 8);
    bytes.writeBigUInt64LE(BigInt(endOffset - this.baseOffset), 16);
    this.#starts.forEach((start, i) =>
      bytes.writeBigUInt64LE(BigInt(start), startsAt + i * startBytes),
    );
    bytes.writeUInt32LE(crc32(bytes.subarray(0, checksumAt)), checksumAt);
    return bytes;
  }

  /** Undefined unless `bytes` are the whole index of this segment with this end. */
  static decode(bytes: Buffer, baseOffset: number, endOffset: number): SegmentIndex | undefined {
    const checksumAt = bytes.length - checksumBytes;
    if (checksumAt < startsAt || (checksumAt - startsAt) % startBytes !== 0) return undefined;
    const whole =
      bytes.toString('latin1', 0, magic.length) === magic &&
      bytes.readUInt16LE(4) === formatVersion &&
      Number(bytes.readBigUInt64LE(8)) === baseOffset &&
      Number(bytes.readBigUInt64LE(16)) === endOffset - baseOffset &&
      bytes.readUInt32LE(checksumAt) === crc32(bytes.subarray(0, checksumAt));
    if (!whole) return undefined;
    const starts: number[] = [];
    for (let at = startsAt; at < checksumAt; at += startBytes) {
      starts.push(Number(bytes.readBigUInt64LE(at)));
    }
    return new SegmentIndex(baseOffset, starts);
  }

  #countUpTo(offset: number): number {
    let low = 0;
    let high = this.#starts.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#starts[middle] ?? Infinity) <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Undefined if there is no file, or it is rotten or not this segment's. */
export async function loadIndex(
  disk: Disk,
  directory: string,
  baseOffset: number,
  endOffset: number,
): Promise<SegmentIndex | undefined> {
  const file = await openIfThere(disk, join(directory, indexName(baseOffset)));
  if (file === undefined) return undefined;
  try {
    const bytes = Buffer.alloc(await file.length());
    const bytesRead = await file.read(bytes, 0);
    return SegmentIndex.decode(bytes.subarray(0, bytesRead), baseOffset, endOffset);
  } catch (error) {
    if (!isUnreadable(error)) throw error;
    return undefined;
  } finally {
    await file.close();
  }
}

/** A truncation may remove an index at any time beside its readers. */
async function openIfThere(disk: Disk, path: string): Promise<DiskFile | undefined> {
  try {
    return await disk.open(path, 'read');
  } catch (error) {
    if (error instanceof DiskError && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Writes the index of a sealed segment, in the place of what an earlier attempt left. */
export async function saveIndex(
  disk: Disk,
  directory: string,
  index: SegmentIndex,
  endOffset: number,
): Promise<void> {
  const path = join(directory, indexName(index.baseOffset));
  if ((await disk.lengthOf(path)) !== undefined) await disk.remove(path);
  const file = await disk.open(path, 'create');
  try {
    await file.write([index.encode(endOffset)], 0);
  } finally {
    await file.close();
  }
}
