/** Ends a log where rot begins, for a node that gives up what it promised and begins again. */
import { join } from 'node:path';
import { dropCheckpointsBehind } from './checkpoint.js';
import type { Disk } from './disk.js';
import { offsetAt, segmentName, segmentsIn } from './segment.js';
import { listSegments } from './segment-files.js';
import { applyTruncation } from './truncation.js';
import { TruncationRecord } from './truncation-record.js';

/**
 * Cuts everything off a log that is not open from `offset` on, where a batch begins, and forgets
 * the checkpoints behind it. The new incarnation is on disk before: the old one promised what is
 * cut. A crash in between leaves a log that is as bad as it was, or is cut by the next start.
 * Throws DATA_CORRUPT and DiskError.
 */
export async function cutTail(
  disk: Disk,
  dataDirectory: string,
  clusterId: string,
  offset: number,
): Promise<void> {
  await dropCheckpointsBehind(disk, dataDirectory, offset);
  const directory = segmentsIn(dataDirectory);
  const endOffset = await endOfFiles(disk, directory);
  if (endOffset <= offset) return;
  const record = await TruncationRecord.open(disk, dataDirectory);
  try {
    const truncation = { offset, endOffset };
    await record.write(truncation);
    await applyTruncation(disk, directory, clusterId, truncation);
    await record.clear();
  } finally {
    await record.close();
  }
}

/** Behind which no file has anything. */
async function endOfFiles(disk: Disk, directory: string): Promise<number> {
  let end = 0;
  for (const baseOffset of await listSegments(disk, directory)) {
    const length = await disk.lengthOf(join(directory, segmentName(baseOffset)));
    end = Math.max(end, baseOffset + 1, offsetAt(baseOffset, length ?? 0));
  }
  return end;
}
