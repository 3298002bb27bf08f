/**
 * Puts right what a disk has lost of the log, with what other copies of it can prove: when the log
 * cannot be opened, when a read meets rot, and when a scrub does.
 */
import { assert, LogLogError } from '../../proto/errors.js';
import type { Disk } from './disk.js';
import { DiskError } from './disk.js';
import type { MendOptions, Unproven } from './mender.js';
import { Mender } from './mender.js';
import type { Donor } from './proof.js';
import { noDoubt } from './proof.js';
import type { Rot } from './rot.js';
import type { Place } from './scan.js';
import type { SegmentFormat } from './segment.js';
import { segmentsIn } from './segment.js';
import { listSegments } from './segment-files.js';

export interface Mended {
  /** Of the segment where it began. */
  readonly baseOffset: number;
  /** What was put right, and how many bytes were written for that. */
  readonly ranges: number;
  readonly bytes: number;
  /** Base offsets of segments that nobody knew to be missing. */
  readonly made: readonly number[];
  /** The first place that could not be put right; what is behind it has not been looked at. */
  readonly unproven: Unproven | undefined;
}

/**
 * Mends the log that could not be opened for `rot`; `known` is the place that it was to be opened
 * from. Whether all is good then, opening it again tells. Throws as `mend`.
 */
export async function mendRot(
  disk: Disk,
  dataDirectory: string,
  format: SegmentFormat,
  donor: Donor,
  known: Place,
  rot: Rot,
): Promise<Mended> {
  assert(rot.kind === 'within', 'nobody can say what stood behind the end');
  const directory = segmentsIn(dataDirectory);
  const { clusterId, segmentBytesMax } = format;
  const bases = await listSegments(disk, directory);
  const mended = await mend(
    {
      disk,
      directory,
      clusterId,
      segmentBytesMax,
      donor,
      bases,
      known: [known],
      endOffset: Infinity,
    },
    rot.baseOffset,
  );
  const inVain = mended.ranges === 0 && mended.unproven === undefined;
  return inVain ? { ...mended, unproven: { rot, ...noDoubt } } : mended;
}

/**
 * Mends one segment, and those that should follow it where files are missing. Throws DATA_CORRUPT
 * for a file of another log, FORMAT_UNKNOWN, DISK_FAILED, and RESOURCE_EXHAUSTED if a file that is
 * missing finds no room.
 */
export async function mend(options: MendOptions, baseOffset: number): Promise<Mended> {
  try {
    return await mendUpTo(options, baseOffset);
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    const code = error.noSpace ? 'RESOURCE_EXHAUSTED' : 'DISK_FAILED';
    throw new LogLogError(code, error.message, { cause: error });
  }
}

async function mendUpTo(options: MendOptions, baseOffset: number): Promise<Mended> {
  const made: number[] = [];
  let [ranges, bytes] = [0, 0];
  for (let base: number | undefined = baseOffset; base !== undefined;) {
    const bases = [...options.bases, ...made].toSorted((left, right) => left - right);
    const mender: Mender = new Mender({ ...options, bases }, base);
    const { unproven } = await mender.run();
    ranges += mender.ranges;
    bytes += mender.bytes;
    made.push(...mender.made);
    if (unproven !== undefined) return { baseOffset, ranges, bytes, made, unproven };
    // All but the last one are whole.
    base = mender.made.at(-1);
  }
  return { baseOffset, ranges, bytes, made, unproven: undefined };
}
