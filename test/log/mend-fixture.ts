/** What the tests of mending share: donors, and a log that is opened whatever its disk did to it. */
import type { Test } from 'tap';
import type { Batch } from '../../proto/batch.js';
import { batchEnd, buildBatch } from '../../proto/batch.js';
import { bodyChecksum } from '../../proto/checksum.js';
import { LogLogError } from '../../proto/errors.js';
import type { Disk } from '../../server/log/disk.js';
import { mendRot } from '../../server/log/mend.js';
import type { Unproven } from '../../server/log/mender.js';
import type { Donor } from '../../server/log/proof.js';
import { Rot } from '../../server/log/rot.js';
import type { Place } from '../../server/log/scan.js';
import { positionOf, segmentName } from '../../server/log/segment.js';
import type { OpenedLog } from './log-fixture.js';
import { Batches, clusterId, directory, genesis, openLog } from './log-fixture.js';
import { MemoryDisk } from './memory-disk.js';

export const options = { segmentBytesMax: 16 * 1024, fillAheadBytes: 2048 };

/**
 * Its sources hold these batches, in any order and with any gaps; 'silent' never answers, and 'lost'
 * has lost what it is asked for.
 */
type Source = readonly Batch[] | 'silent' | 'lost';

export class TestDonor implements Donor {
  requests = 0;
  readonly #sources: readonly (ReadonlyMap<number, Batch> | 'silent' | 'lost')[];

  constructor(...sources: readonly Source[]) {
    this.#sources = sources.map((source) =>
      typeof source === 'string'
        ? source
        : new Map(source.map((batch) => [batch.header.offset, batch] as const)),
    );
  }

  async batchesFrom(source: number, offset: number, bytesMax: number) {
    const held = this.#sources[source];
    if (held === undefined) return undefined;
    this.requests += 1;
    if (held === 'silent') throw new LogLogError('UNAVAILABLE', 'no answer');
    if (held === 'lost') throw new LogLogError('DATA_CORRUPT', 'it is lost here too');
    const found: Batch[] = [];
    for (let batch = held.get(offset); batch !== undefined;) {
      const end = batchEnd(batch.header);
      if (found.length > 0 && end - offset > bytesMax) break;
      found.push(batch);
      batch = held.get(end);
    }
    return Promise.resolve(found);
  }
}

/** A source that has all of the log. */
export function copyOf({ batches }: SomeLog): TestDonor {
  return new TestDonor(batches.all);
}

/** Other bytes that are as good to look at: with right checksums, of the same length. */
export function forged({ header, body }: Batch, previous: Batch | undefined): Batch {
  const other = Buffer.from(body);
  other.writeUInt8(other.readUInt8(body.length - 1) ^ 1, body.length - 1);
  return buildBatch(
    { ...header, bodyChecksum: bodyChecksum(other) },
    other,
    previous?.header.chain ?? header.chain,
  );
}

export interface SomeLog {
  readonly disk: MemoryDisk;
  readonly batches: Batches;
  readonly bases: readonly number[];
}

/** A log of some segments that was closed in order. */
export async function someLog(
  count: number,
  entryBytesMax: number,
  { seed = 1, ...other }: { seed?: number; segmentBytesMax?: number } = {},
): Promise<SomeLog> {
  const disk = new MemoryDisk();
  const batches = new Batches(seed);
  const { log } = await openLog(disk, { ...options, ...other });
  log.append(batches.many(count, entryBytesMax));
  await log.close();
  return { disk, batches, bases: await basesOn(disk) };
}

export async function basesOn(disk: Disk): Promise<number[]> {
  const names = await disk.list(`${directory}/log`);
  return names.filter((name) => name.endsWith('.segment')).map((name) => parseInt(name, 10));
}

export function pathOf(baseOffset: number): string {
  return `${directory}/log/${segmentName(baseOffset)}`;
}

export function baseOf({ bases }: SomeLog, offset: number): number {
  return bases.findLast((base) => base <= offset) ?? 0;
}

export async function write(disk: Disk, path: string, bytes: Buffer, position: number) {
  const file = await disk.open(path, 'write');
  await file.write([bytes], position);
  await file.close();
}

export async function truncate(disk: Disk, path: string, length: number): Promise<void> {
  const file = await disk.open(path, 'write');
  await file.truncate(length);
  await file.close();
}

/** The sound log's files, as far as they hold anything of the log. */
export function soundFiles({ disk, batches, bases }: SomeLog): Map<string, Buffer> {
  return new Map(
    bases.map((base, i) => {
      const end = positionOf(base, bases[i + 1] ?? batches.endOffset);
      return [pathOf(base), disk.contentOf(pathOf(base)).subarray(0, end)];
    }),
  );
}

/** The files that are not as those of the sound log. */
export async function differences(log: SomeLog, mended: MemoryDisk): Promise<string[]> {
  const names = (await basesOn(mended)).map(pathOf);
  const wrong = [...soundFiles(log)].filter(([path, sound], i) => {
    if (!names.includes(path)) return true;
    const content = mended.contentOf(path);
    const isLast = i === log.bases.length - 1;
    return !(isLast ? content.subarray(0, sound.length) : content).equals(sound);
  });
  return wrong.map(([path]) => path);
}

export type Opening =
  | { readonly type: 'opened'; readonly opened: OpenedLog; readonly ranges: number }
  | { readonly type: 'tail'; readonly rot: Rot }
  | { readonly type: 'unproven'; readonly unproven: Unproven };

/** Opens the log as a node does: what is lost within comes from the donor. */
export async function openMended(
  disk: Disk,
  donor: Donor,
  {
    start = genesis,
    segmentBytesMax = options.segmentBytesMax,
  }: {
    start?: Place;
    segmentBytesMax?: number;
  } = {},
): Promise<Opening> {
  for (let ranges = 0; ;) {
    try {
      const opened = await openLog(disk, { ...options, segmentBytesMax }, start);
      return { type: 'opened', opened, ranges };
    } catch (error) {
      if (!(error instanceof Rot)) throw error;
      if (error.kind === 'tail') return { type: 'tail', rot: error };
      const format = { clusterId, segmentBytesMax };
      const mended = await mendRot(disk, directory, format, donor, start, error);
      if (mended.unproven !== undefined) return { type: 'unproven', unproven: mended.unproven };
      ranges += mended.ranges;
    }
  }
}

/** Opens a log of which nothing is lost that the donor cannot give back; throws if anything is. */
export async function mendedLog(disk: Disk, donor: Donor): Promise<OpenedLog> {
  const opening = await openMended(disk, donor);
  if (opening.type !== 'opened') throw new Error(`the log is not mended: ${opening.type}`);
  return opening.opened;
}

/** What a log that was opened holds, and then closes it. */
export async function bytesHeld({ log }: OpenedLog): Promise<Buffer> {
  const pages: Buffer[] = [];
  for (let at = 0; at < log.durableOffset;) {
    const page = await log.read(at, 2 ** 20, log.durableOffset);
    pages.push(page.bytes);
    at = page.next;
  }
  await log.close();
  return Buffer.concat(pages);
}

/** A copy of the log gives the disk all its bytes and files again. */
export async function becomesWhole(t: Test, log: SomeLog, disk: MemoryDisk): Promise<void> {
  const held = await bytesHeld(await mendedLog(disk, copyOf(log)));
  if (!held.equals(log.batches.bytes)) t.fail(`${held.length} bytes, or others`);
  if ((await differences(log, disk)).length > 0) t.fail('other files');
}
