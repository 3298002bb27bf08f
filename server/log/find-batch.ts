/** Finds batches in a segment by their offset. */
import type { BatchHeader } from '../../proto/batch.js';
import { batchEnd, decodeHeader } from '../../proto/batch.js';
import { headerBytes } from '../../proto/limits.js';
import type { Disk } from './disk.js';
import { openWindow } from './segment-files.js';
import type { SegmentIndex } from './segment-index.js';
import { corrupt, positionOf } from './segment.js';
import type { SegmentWindow } from './segment-window.js';

/** The header of the batch that holds the byte at `offset`; throws DATA_CORRUPT. */
export async function findBatch(
  window: SegmentWindow,
  index: SegmentIndex,
  offset: number,
): Promise<BatchHeader> {
  const { baseOffset } = window;
  for (let at = index.startBefore(offset); ;) {
    const decoded = decodeHeader(await window.bytesAt(positionOf(baseOffset, at), headerBytes));
    if (!decoded.ok) throw corrupt(baseOffset, at, decoded.reason);
    const { header } = decoded;
    if (header.offset !== at) {
      throw corrupt(baseOffset, at, `the batch of offset ${header.offset} stands here`);
    }
    const end = batchEnd(header);
    if (offset < end) return header;
    at = end;
  }
}

/** The header of the last batch in front of `offset`, in the segment that the index is of. */
export async function lastBatchBefore(
  disk: Disk,
  directory: string,
  index: SegmentIndex,
  offset: number,
): Promise<BatchHeader> {
  const { file, window } = await openWindow(disk, directory, index.baseOffset);
  try {
    return await findBatch(window, index, offset - 1);
  } finally {
    await file.close();
  }
}
