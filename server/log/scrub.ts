/** Reads a segment as a whole, to find rot before anybody needs what it took. */
import { LogLogError } from '../../proto/errors.js';
import type { DiskFile } from './disk.js';
import { DiskError } from './disk.js';
import type { MendOptions } from './mender.js';
import { settledNext } from './mender.js';
import { scanBatches } from './scan.js';
import { foreignness, misplacement, positionOf } from './segment.js';
import { openSegmentFile, readSegmentHeader } from './segment-files.js';
import { loadIndex, SegmentIndex } from './segment-index.js';
import { SegmentWindow } from './segment-window.js';

/** Sets the pace: called behind every piece that was read, with its length. */
export type Pause = (bytes: number) => Promise<void>;

export interface Sounding {
  readonly sound: boolean;
  readonly bytesRead: number;
}

export type SoundOptions = Omit<MendOptions, 'donor'>;

/**
 * Whether a segment, as far as `endOffset` allows, and its index are as they should be. Throws
 * DISK_FAILED and FORMAT_UNKNOWN.
 */
export async function isSound(
  options: SoundOptions,
  baseOffset: number,
  pause: Pause,
): Promise<Sounding> {
  let bytesRead = 0;
  const paced: Pause = async (bytes) => {
    bytesRead += bytes;
    await pause(bytes);
  };
  try {
    const file = await openSegmentFile(options.disk, options.directory, baseOffset);
    try {
      const sound = await isFileSound(options, baseOffset, pacedFile(file, paced));
      return { sound, bytesRead };
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof DiskError) {
      throw new LogLogError('DISK_FAILED', error.message, { cause: error });
    }
    const missing = error instanceof LogLogError && error.code === 'DATA_CORRUPT';
    if (!missing) throw error;
    return { sound: false, bytesRead };
  }
}

async function isFileSound(
  options: SoundOptions,
  baseOffset: number,
  file: DiskFile,
): Promise<boolean> {
  const { disk, directory, segmentBytesMax, known } = options;
  const nextBase = settledNext(options, baseOffset);
  const endOffset = Math.min(options.endOffset, nextBase ?? Infinity);
  const length = Math.min(await file.length(), positionOf(baseOffset, endOffset));
  const window = new SegmentWindow(file, baseOffset, length);
  const decoded = await readSegmentHeader(window);
  if (!decoded.ok) return false;
  const wrong = foreignness(decoded.header, options) ?? misplacement(decoded.header, baseOffset);
  if (wrong !== undefined) return false;
  const { chain, term } = decoded.header;
  const index = new SegmentIndex(baseOffset);
  const start = { offset: baseOffset, chain, term, timeMs: 0 };
  const scanned = await scanBatches(window, segmentBytesMax, start, ({ offset }) =>
    index.add(offset),
  );
  const { place, damage } = scanned;
  const contradicted = known.some((at) => at.offset === endOffset && at.chain !== place.chain);
  if (damage !== undefined || place.offset !== endOffset || contradicted) return false;
  if (endOffset !== nextBase) return true;
  if ((await file.length()) !== window.length) return false;
  const saved = await loadIndex(disk, directory, baseOffset, endOffset);
  return saved?.encode(endOffset).equals(index.encode(endOffset)) === true;
}

function pacedFile(file: DiskFile, pause: Pause): DiskFile {
  return {
    async read(into, position) {
      const bytes = await file.read(into, position);
      await pause(bytes);
      return bytes;
    },
    write: (parts, position) => file.write(parts, position),
    truncate: (length) => file.truncate(length),
    length: () => file.length(),
    close: () => file.close(),
  };
}
