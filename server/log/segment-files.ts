/** Opens segment files for reading them from front to back. */
import { join } from 'node:path';
import type { Disk, DiskFile } from './disk.js';
import { DiskError } from './disk.js';
import type { DecodedSegmentHeader } from './segment.js';
import {
  corrupt,
  decodeSegmentHeader,
  fileHeaderBytes,
  parseName,
  segmentName,
} from './segment.js';
import { SegmentWindow } from './segment-window.js';

/** Base offsets, ascending. `directory` holds the segments. */
export async function listSegments(disk: Disk, directory: string): Promise<number[]> {
  const bases: number[] = [];
  for (const name of await disk.list(directory)) {
    const parsed = parseName(name);
    if (parsed?.type === 'segment') bases.push(parsed.baseOffset);
  }
  return bases.toSorted((left, right) => left - right);
}

/** For reading; the caller closes it. Throws DATA_CORRUPT if it is missing. */
export async function openSegmentFile(
  disk: Disk,
  directory: string,
  baseOffset: number,
): Promise<DiskFile> {
  try {
    return await disk.open(join(directory, segmentName(baseOffset)), 'read');
  } catch (error) {
    const missing = error instanceof DiskError && error.code === 'ENOENT';
    if (!missing) throw error;
    throw corrupt(baseOffset, baseOffset, 'the file is missing', error);
  }
}

/** The caller closes the file. Throws DATA_CORRUPT if it is missing. */
export async function openWindow(
  disk: Disk,
  directory: string,
  baseOffset: number,
): Promise<{ file: DiskFile; window: SegmentWindow }> {
  const file = await openSegmentFile(disk, directory, baseOffset);
  try {
    return { file, window: new SegmentWindow(file, baseOffset, await file.length()) };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Throws FORMAT_UNKNOWN for another version. */
export async function readSegmentHeader(window: SegmentWindow): Promise<DecodedSegmentHeader> {
  const bytes = await window.bytesAt(0, fileHeaderBytes);
  return decodeSegmentHeader(bytes, segmentName(window.baseOffset));
}
