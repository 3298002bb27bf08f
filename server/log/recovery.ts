/**
 * Finds the end of the log when it is opened. What a crash left is finished or cut where it is
 * proven to be that; everything else that is not right stops the start, with all kept as it is.
 */
import { join } from 'node:path';
import { batchEnd } from '../../proto/batch.js';
import { groupBytesMax } from '../../proto/limits.js';
import type { Disk, DiskFile } from './disk.js';
import { Fill } from './fill.js';
import { Rot } from './rot.js';
import type { OnBatch, Place } from './scan.js';
import { scanBatches } from './scan.js';
import type { SegmentFormat } from './segment.js';
import {
  corrupt,
  endsBehindHeader,
  fileHeaderBytes,
  foreignness,
  indexName,
  misplacement,
  positionOf,
  roundUpToBlock,
  segmentName,
} from './segment.js';
import { openWindow, listSegments, readSegmentHeader } from './segment-files.js';
import { SegmentIndex } from './segment-index.js';
import type { SegmentWindow } from './segment-window.js';
import { readSegment, scanChunkBytes } from './segment-window.js';
import { batchBeginsAfter, isUnfinished, judge } from './torn.js';
import { applyTruncation } from './truncation.js';
import type { TruncationRecord } from './truncation-record.js';

export interface RecoveryOptions extends SegmentFormat {
  readonly disk: Disk;
  /** The segments'. */
  readonly directory: string;
  readonly record: TruncationRecord;
  readonly onBatch: OnBatch;
}

export interface Recovered {
  /** Base offsets of the segments, ascending. */
  readonly bases: readonly number[];
  /** The end of the log; all in front of it is durable. */
  readonly end: Place;
  /** Of the last segment; undefined while the log is empty and has no file. */
  readonly index: SegmentIndex | undefined;
}

/**
 * Hands on every batch from `start` on, which is a place that the log is known to have reached.
 * Throws Rot for what the disk may have lost, DATA_CORRUPT for what is not this log at all, both
 * naming segment file, offset and reason, or FORMAT_UNKNOWN.
 */
export async function recover(options: RecoveryOptions, start: Place): Promise<Recovered> {
  const { disk, directory } = options;
  await finishTruncation(options, start);
  const bases = await dropUnfinishedSegment(options, await listSegments(disk, directory));
  const [oldest] = bases;
  if (oldest !== undefined && oldest > 0) {
    const where = { baseOffset: 0, nextBase: oldest, offset: 0 };
    throw new Rot('within', where, 'the segment is missing');
  }
  let place = start;
  for (const [i, baseOffset] of bases.entries()) {
    const nextBase = bases[i + 1];
    if (nextBase === undefined || nextBase <= start.offset) continue;
    place = await scanSealed(options, baseOffset, nextBase, place);
  }
  const recovered = await recoverLast(options, bases, place);
  if (recovered.index !== undefined)
    await makeLastWritable(options, recovered.index, recovered.end);
  return recovered;
}

async function finishTruncation(options: RecoveryOptions, start: Place): Promise<void> {
  const { disk, directory, clusterId, record } = options;
  const { pending } = record;
  if (pending === null) return;
  if (pending.offset < start.offset) {
    const reason = `a recorded truncation would cut below ${start.offset}, which is committed`;
    throw corrupt(0, pending.offset, reason);
  }
  await applyTruncation(disk, directory, clusterId, pending);
  await record.clear();
}

/**
 * A crash while a segment was made leaves a file without a whole header and, since batches are
 * written only behind one, with nothing where its first batch would be.
 */
async function dropUnfinishedSegment(
  options: RecoveryOptions,
  bases: readonly number[],
): Promise<readonly number[]> {
  const baseOffset = bases.at(-1);
  if (baseOffset === undefined) return bases;
  const { disk, directory, clusterId } = options;
  const { file, window } = await openWindow(disk, directory, baseOffset);
  try {
    const header = await readSegmentHeader(window);
    if (header.ok) return bases;
    const unfinished = await isUnfinished(window, new Fill(clusterId, baseOffset));
    if (!unfinished) throw await headerRot(window, undefined, header.reason);
  } finally {
    await file.close();
  }
  await removeSegment(options, baseOffset);
  return bases.slice(0, -1);
}

/** Scans a segment that another one follows: it was whole before that one was made. */
async function scanSealed(
  options: RecoveryOptions,
  baseOffset: number,
  nextBase: number,
  from: Place,
): Promise<Place> {
  const { disk, directory, segmentBytesMax, onBatch } = options;
  const { file, window } = await openWindow(disk, directory, baseOffset);
  try {
    await startOf(options, window, nextBase, from);
    const { place, damage } = await scanBatches(window, segmentBytesMax, from, onBatch);
    if (damage === undefined && place.offset === nextBase) return place;
    const reason = damage?.reason ?? `the next segment begins at offset ${nextBase}`;
    throw new Rot('within', { baseOffset, nextBase, offset: place.offset }, reason);
  } finally {
    await file.close();
  }
}

/**
 * Scans the last segment from its front, for its index, and hands on what comes behind `from`. A
 * segment that has no batch is removed: the next batch may fit into the one before it.
 */
async function recoverLast(
  options: RecoveryOptions,
  bases: readonly number[],
  from: Place,
): Promise<Recovered> {
  const { disk, directory, clusterId, segmentBytesMax } = options;
  const baseOffset = bases.at(-1);
  if (baseOffset === undefined) {
    if (from.offset > 0) {
      const where = { baseOffset: 0, nextBase: undefined, offset: 0 };
      throw new Rot('tail', where, `there is no segment, and ${from.offset} is committed`);
    }
    return { bases, end: from, index: undefined };
  }
  const index = new SegmentIndex(baseOffset);
  const { file, window } = await openWindow(disk, directory, baseOffset);
  let end: Place;
  try {
    const start = await startOf(options, window, undefined, from);
    const onBatch = handOnBehind(baseOffset, from, index, options.onBatch);
    const { place, damage } = await scanBatches(window, segmentBytesMax, start, onBatch);
    const fill = new Fill(clusterId, baseOffset);
    const where = { baseOffset, nextBase: undefined, offset: place.offset };
    if (damage !== undefined) {
      const verdict = await judge(window, fill, place.offset, damage);
      if (verdict !== 'torn') throw new Rot(verdict, where, damage.reason);
    }
    if (damage === undefined && place.offset === baseOffset) {
      throw new Rot('tail', where, endsBehindHeader);
    }
    if (place.offset < from.offset) {
      const reason = `the log ends here, and ${from.offset} is known to be committed`;
      throw new Rot('tail', where, reason);
    }
    end = place;
  } finally {
    await file.close();
  }
  if (end.offset > baseOffset) return { bases, end, index };
  await removeSegment(options, baseOffset);
  return recoverLast(options, bases.slice(0, -1), from);
}

/** What stands in front of the segment, from its header; it has to agree with `from`. */
async function startOf(
  options: RecoveryOptions,
  window: SegmentWindow,
  nextBase: number | undefined,
  from: Place,
): Promise<Place> {
  const { baseOffset } = window;
  const decoded = await readSegmentHeader(window);
  if (!decoded.ok) throw await headerRot(window, nextBase, decoded.reason);
  const foreign = foreignness(decoded.header, options);
  if (foreign !== undefined) throw corrupt(baseOffset, baseOffset, foreign);
  const wrong = misplacement(decoded.header, baseOffset);
  if (wrong !== undefined) throw await headerRot(window, nextBase, wrong);
  const { chain, term } = decoded.header;
  if (from.offset > baseOffset) return { offset: baseOffset, chain, term, timeMs: 0 };
  if (chain !== from.chain || term !== from.term) {
    throw await headerRot(window, nextBase, 'the segment does not follow the one before it');
  }
  return from;
}

async function headerRot(
  window: SegmentWindow,
  nextBase: number | undefined,
  reason: string,
): Promise<Rot> {
  const { baseOffset } = window;
  const goesOn = nextBase !== undefined || (await batchBeginsAfter(window, fileHeaderBytes - 1));
  return new Rot(goesOn ? 'within' : 'tail', { baseOffset, nextBase, offset: baseOffset }, reason);
}

function handOnBehind(
  baseOffset: number,
  from: Place,
  index: SegmentIndex,
  onBatch: OnBatch,
): OnBatch {
  return (header, body) => {
    index.add(header.offset);
    if (header.offset >= from.offset) return onBatch(header, body);
    const end = batchEnd(header);
    if (end > from.offset || (end === from.offset && header.chain !== from.chain)) {
      const reason = `this is not the log whose state at ${from.offset} is known`;
      throw corrupt(baseOffset, header.offset, reason);
    }
  };
}

/**
 * Makes everything in front of `end` durable, since a crash of the process alone may have left
 * the last group in the system's memory, and puts the pattern behind it up to the block's end.
 *
 * Safe at every point: the bytes of batches are written as they are, and the sector that `end`
 * lies in is written whole or not at all. What a torn write left further on is overwritten by the
 * filling before anything new can reach it; until then this sector, or, where `end` begins one,
 * the pattern that proved the tear, shows that the log ends here.
 */
async function makeLastWritable(
  options: RecoveryOptions,
  { baseOffset }: SegmentIndex,
  { offset }: Place,
): Promise<void> {
  const { disk, directory, clusterId } = options;
  const indexPath = join(directory, indexName(baseOffset));
  if ((await disk.lengthOf(indexPath)) !== undefined) {
    await disk.remove(indexPath);
    await disk.syncDirectory(directory);
  }
  const file = await disk.open(join(directory, segmentName(baseOffset)), 'write');
  try {
    await rewriteTail(file, new Fill(clusterId, baseOffset), baseOffset, offset);
  } finally {
    await file.close();
  }
}

async function rewriteTail(
  file: DiskFile,
  fill: Fill,
  baseOffset: number,
  endOffset: number,
): Promise<void> {
  const end = positionOf(baseOffset, endOffset);
  const from = Math.max(fileHeaderBytes, end - groupBytesMax);
  for (let at = from; at < end; at += scanChunkBytes) {
    const next = Math.min(end, at + scanChunkBytes);
    const parts = [await readSegment(file, baseOffset, at, next - at)];
    if (next === end) parts.push(...fill.parts(end, roundUpToBlock(end)));
    await file.write(parts, at);
  }
}

async function removeSegment(
  { disk, directory }: RecoveryOptions,
  baseOffset: number,
): Promise<void> {
  await disk.remove(join(directory, segmentName(baseOffset)));
  await disk.syncDirectory(directory);
}
