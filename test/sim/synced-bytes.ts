import type { MemoryDisk } from '../log/memory-disk.js';

/** What of these bytes of a file would be left after a power cut; undefined without the file. */
export function syncedBytes(
  disk: MemoryDisk,
  path: string,
  position: number,
  length: number,
): Buffer | undefined {
  const bytes = Buffer.allocUnsafe(length);
  const count = disk.readSynced(path, bytes, position);
  return count === undefined ? undefined : bytes.subarray(0, count);
}
