/**
 * Tells what a power cut leaves from rot. A write that was cut leaves whole sectors as they were
 * before, and before it they held the fill pattern, since the writer never leaves filled ground
 * and filled ground is durable. So damage is torn only if a sector of the batch still shows the
 * pattern, and if nothing valid begins further on than what can have been unsynced with it.
 */
import { crc32 } from 'node:zlib';
import type { BatchHeader } from '../../proto/batch.js';
import { batchEnd, decodeHeader } from '../../proto/batch.js';
import { assert } from '../../proto/errors.js';
import { groupBytesMax, headerBytes } from '../../proto/limits.js';
import type { Fill } from './fill.js';
import type { RotKind } from './rot.js';
import type { Damage } from './scan.js';
import { fileHeaderBytes, offsetAt, positionOf, sectorBytes } from './segment.js';
import type { SegmentWindow } from './segment-window.js';
import { scanChunkBytes } from './segment-window.js';

const batchMagic = Buffer.from('LLog', 'latin1');
const headerChecksumAt = headerBytes - 4;

/** Up to this many bytes of a batch can equal the pattern by chance: they need a proof. */
const chanceBytesMax = 2;

/** What damage in the last segment is: the end of a cut write, or rot of one kind or the other. */
export async function judge(
  window: SegmentWindow,
  fill: Fill,
  offset: number,
  damage: Damage,
): Promise<'torn' | RotKind> {
  if (await isTorn(window, fill, offset, damage)) return 'torn';
  // A header that follows says itself what has to stand behind it; where the file ends within that,
  // it has lost its end, and perhaps more than this batch.
  if (damage.type === 'body') {
    const end = positionOf(window.baseOffset, batchEnd(damage.header));
    return end <= window.length ? 'within' : 'tail';
  }
  const goesOn = await batchBeginsAfter(window, positionOf(window.baseOffset, offset));
  return goesOn ? 'within' : 'tail';
}

/** Whether the damage at `offset` of the last segment is the end of a write that was cut short. */
export async function isTorn(
  window: SegmentWindow,
  fill: Fill,
  offset: number,
  damage: Damage,
): Promise<boolean> {
  if (damage.type === 'misfit') return false;
  const position = positionOf(window.baseOffset, offset);
  assert(position < window.length, 'damage lies within the file');
  const cut =
    (await showsFill(window, fill, position, damage)) || (await isBlank(window, fill, position));
  return cut && !(await batchBeginsAfter(window, position + groupBytesMax));
}

async function showsFill(
  window: SegmentWindow,
  fill: Fill,
  position: number,
  damage: Exclude<Damage, { type: 'misfit' }>,
): Promise<boolean> {
  const end =
    damage.type === 'body'
      ? positionOf(window.baseOffset, batchEnd(damage.header))
      : position + headerBytes;
  // Only writes that found filled ground to their very end were begun.
  if (damage.type === 'body' && end > window.length) return false;
  for await (const { at, bytes } of sectorsFrom(window, position, end)) {
    if (!fill.matches(bytes, at)) continue;
    // In front of the first byte of a batch there is no doubt: the pattern has no such byte.
    const batchBytes = end - at;
    if (at === position || batchBytes > chanceBytesMax) return true;
    if (await lastBytesExplain(window, position, batchBytes, damage)) return true;
  }
  return false;
}

/**
 * Whether nothing was ever written from `position` on. Zeros stand where a file had grown and its
 * filling had not arrived when the power was cut.
 */
export async function isBlank(
  window: SegmentWindow,
  fill: Fill,
  position: number,
): Promise<boolean> {
  for await (const { at, bytes } of sectorsFrom(window, position, window.length)) {
    if (!fill.matches(bytes, at) && !isZero(bytes)) return false;
  }
  return true;
}

/**
 * Whether a crash left the file while it was being made. The first of its pattern is durable before
 * a byte of its header is written, and batches come only behind a header: a header that is begun
 * with no pattern behind it was cut off.
 */
export async function isUnfinished(window: SegmentWindow, fill: Fill): Promise<boolean> {
  if (!(await isBlank(window, fill, fileHeaderBytes))) return false;
  const header = await window.bytesAt(0, fileHeaderBytes);
  if (isZero(header)) return true;
  const first = await window.bytesAt(fileHeaderBytes, sectorBytes);
  return first.length === sectorBytes && fill.matches(first, fileHeaderBytes);
}

/** Whether the `count` last bytes of the batch being others would make it whole. */
async function lastBytesExplain(
  window: SegmentWindow,
  position: number,
  count: number,
  damage: Exclude<Damage, { type: 'misfit' }>,
): Promise<boolean> {
  if (damage.type === 'header') {
    const bytes = await window.bytesAt(position, headerBytes);
    const checksum = Buffer.alloc(headerBytes - headerChecksumAt);
    checksum.writeUInt32LE(crc32(bytes.subarray(0, headerChecksumAt)));
    const known = checksum.length - count;
    return checksum.subarray(0, known).equals(bytes.subarray(headerChecksumAt, -count));
  }
  return bodyFits(window, position, count, damage.header);
}

async function bodyFits(
  window: SegmentWindow,
  position: number,
  count: number,
  header: BatchHeader,
): Promise<boolean> {
  const body = await window.bytesAt(position + headerBytes, header.bodyBytes);
  const checksum = crc32(body.subarray(0, -count));
  const last = Buffer.alloc(count);
  for (let value = 0; value < 256 ** count; value += 1) {
    last.writeUIntLE(value, 0, count);
    if (crc32(last, checksum) === header.bodyChecksum) return true;
  }
  return false;
}

/** Whether the header of a batch of this place stands anywhere behind `position`. */
export async function batchBeginsAfter(window: SegmentWindow, position: number): Promise<boolean> {
  for (let at = position + 1; at + headerBytes <= window.length;) {
    const bytes = await window.bytesAt(at, scanChunkBytes);
    for (let found = bytes.indexOf(batchMagic); found >= 0;) {
      const candidate = await window.bytesAt(at + found, headerBytes);
      const decoded = decodeHeader(candidate);
      const expected = offsetAt(window.baseOffset, at + found);
      if (decoded.ok && decoded.header.offset === expected) return true;
      found = bytes.indexOf(batchMagic, found + 1);
    }
    // The next piece begins early enough to show a magic that was cut in two.
    at += bytes.length - (batchMagic.length - 1);
  }
  return false;
}

/** The sectors that the range touches, whole, but for what lies in front of `from`. */
async function* sectorsFrom(
  window: SegmentWindow,
  from: number,
  to: number,
): AsyncGenerator<{ readonly at: number; readonly bytes: Buffer }> {
  const end = Math.min(to, window.length);
  for (let at = from; at < end;) {
    const bytes = await window.bytesAt(at, sectorBytes - (at % sectorBytes));
    yield { at, bytes };
    at += bytes.length;
  }
}

function isZero(bytes: Buffer): boolean {
  return bytes.every((byte) => byte === 0);
}
