/**
 * Cuts the log back. The caller has recorded it (truncation-record.ts), so that whatever is left
 * of it by a crash is done again: every step may find itself done already.
 */
import { join } from 'node:path';
import type { Disk } from './disk.js';
import { Fill } from './fill.js';
import { parseName, positionOf, roundUpToBlock, segmentName } from './segment.js';
import type { Truncation } from './truncation-record.js';

const overwriteChunkBytes = 2 ** 20;

/**
 * Removes the segments from `offset` on and puts the fill pattern in the place of what stands
 * behind it in the one that is the last then. `directory` holds the segments. Nobody else writes.
 */
export async function applyTruncation(
  disk: Disk,
  directory: string,
  clusterId: string,
  truncation: Truncation,
): Promise<void> {
  const { offset } = truncation;
  const names = await disk.list(directory);
  const files = names.flatMap((name) => ({ name, ...parseName(name) }));
  const kept = files.findLast(
    ({ type, baseOffset }) => type === 'segment' && baseOffset !== undefined && baseOffset < offset,
  )?.baseOffset;
  for (const { name, type, baseOffset } of files) {
    if (baseOffset === undefined) continue;
    // An index that is kept would lead to batches that are gone.
    const stale = type === 'index' && baseOffset === kept;
    if (baseOffset >= offset || stale) await disk.remove(join(directory, name));
  }
  await disk.syncDirectory(directory);
  if (kept !== undefined) await overwrite(disk, directory, clusterId, kept, truncation);
}

async function overwrite(
  disk: Disk,
  directory: string,
  clusterId: string,
  baseOffset: number,
  { offset, endOffset }: Truncation,
): Promise<void> {
  const fill = new Fill(clusterId, baseOffset);
  const file = await disk.open(join(directory, segmentName(baseOffset)), 'write');
  try {
    const length = await file.length();
    const from = positionOf(baseOffset, offset);
    // A file that ends too early is for the scan to find; here it would only be made longer.
    if (from > length) return;
    const to = roundUpToBlock(Math.max(from, Math.min(length, positionOf(baseOffset, endOffset))));
    for (let at = from; at < to; at += overwriteChunkBytes) {
      await file.write(fill.parts(at, Math.min(to, at + overwriteChunkBytes)), at);
    }
  } finally {
    await file.close();
  }
}
