/**
 * Reads a log for others to mend theirs: nothing is mended for that, or two nodes could wait for
 * each other, and the log need not be open, since one that is being mended still gives what it has.
 */
import type { Batch } from '../../proto/batch.js';
import { batchEnd, decodeBatch, decodeHeader } from '../../proto/batch.js';
import { headerBytes } from '../../proto/limits.js';
import type { Disk } from './disk.js';
import { positionOf, segmentsIn } from './segment.js';
import { listSegments, openWindow } from './segment-files.js';
import type { SegmentWindow } from './segment-window.js';

/**
 * Batches of one segment from the one that begins at `offset` on, each whole and in its place: at
 * most `bytesMax` bytes if there are several. None if no such batch begins there. Whether they are
 * this log's, and durable, nobody has looked. Throws DiskError, and DATA_CORRUPT if a segment goes
 * away meanwhile.
 */
export async function readArchive(
  disk: Disk,
  dataDirectory: string,
  offset: number,
  bytesMax: number,
): Promise<Batch[]> {
  const directory = segmentsIn(dataDirectory);
  const bases = await listSegments(disk, directory);
  const baseOffset = bases.findLast((base) => base <= offset);
  if (baseOffset === undefined) return [];
  const { file, window } = await openWindow(disk, directory, baseOffset);
  try {
    return await batchesIn(window, offset, bytesMax);
  } finally {
    await file.close();
  }
}

async function batchesIn(
  window: SegmentWindow,
  offset: number,
  bytesMax: number,
): Promise<Batch[]> {
  const batches: Batch[] = [];
  for (let at = offset; ;) {
    const batch = await batchAt(window, at);
    if (batch === undefined) return batches;
    at = batchEnd(batch.header);
    if (batches.length > 0 && at - offset > bytesMax) return batches;
    batches.push(batch);
  }
}

async function batchAt(window: SegmentWindow, offset: number): Promise<Batch | undefined> {
  const position = positionOf(window.baseOffset, offset);
  const decoded = decodeHeader(await window.bytesAt(position, headerBytes));
  if (!decoded.ok || decoded.header.offset !== offset) return undefined;
  const { bodyBytes } = decoded.header;
  const batch = decodeBatch(await window.bytesAt(position, headerBytes + bodyBytes));
  return batch.ok ? batch.batch : undefined;
}
