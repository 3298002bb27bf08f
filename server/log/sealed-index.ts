/** The index of a sealed segment: from its file, or made again in memory. */
import type { Disk } from './disk.js';
import { scanBatches } from './scan.js';
import { corrupt, offsetAt } from './segment.js';
import { openWindow, readSegmentHeader } from './segment-files.js';
import { loadIndex, SegmentIndex } from './segment-index.js';

/** `directory` holds the segments. */
export async function readSealedIndex(
  disk: Disk,
  directory: string,
  baseOffset: number,
  segmentBytesMax: number,
): Promise<SegmentIndex> {
  const { file, window } = await openWindow(disk, directory, baseOffset);
  try {
    const endOffset = offsetAt(baseOffset, window.length);
    const saved = await loadIndex(disk, directory, baseOffset, endOffset);
    if (saved !== undefined) return saved;
    const decoded = await readSegmentHeader(window);
    if (!decoded.ok) throw corrupt(baseOffset, baseOffset, decoded.reason);
    const { chain, term } = decoded.header;
    const start = { offset: baseOffset, chain, term, timeMs: 0 };
    const index = new SegmentIndex(baseOffset);
    // Up to a damaged batch the index is good; a reader of that batch will be told.
    await scanBatches(window, segmentBytesMax, start, (header) => index.add(header.offset));
    return index;
  } finally {
    await file.close();
  }
}
