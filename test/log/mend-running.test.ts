import { crc32 } from 'node:zlib';
import t from 'tap';
import type { Test } from 'tap';
import { batchEnd } from '../../proto/batch.js';
import { blockBytes } from '../../server/log/disk.js';
import type { MendSource } from '../../server/log/mending.js';
import type { Donor } from '../../server/log/proof.js';
import { fileHeaderBytes, indexName, positionOf } from '../../server/log/segment.js';
import type { OpenedLog } from './log-fixture.js';
import { Batches, directory, openLog, readAll } from './log-fixture.js';
import type { MemoryDisk } from './memory-disk.js';
import type { SomeLog } from './mend-fixture.js';
import {
  baseOf,
  basesOn,
  copyOf,
  differences,
  options,
  pathOf,
  someLog,
  TestDonor,
  write,
} from './mend-fixture.js';

/** All of it is committed, but for the last `uncommitted` batches. */
function sourceOf({ batches }: SomeLog, donor: Donor, uncommitted = 0): MendSource {
  const committed = batches.all.at(-1 - uncommitted)?.header;
  const { offset, chain } =
    committed === undefined
      ? batches.place
      : { offset: batchEnd(committed), chain: committed.chain };
  return { donor, committedEnd: () => ({ offset, chain }), onMended: () => undefined };
}

async function running(log: SomeLog, disk: MemoryDisk, donor: Donor): Promise<OpenedLog> {
  const opened = await openLog(disk, options);
  opened.log.mendFrom(sourceOf(log, donor));
  return opened;
}

function flip(log: SomeLog, disk: MemoryDisk, offset: number): void {
  const base = baseOf(log, offset);
  disk.flipBit(pathOf(base), positionOf(base, offset), offset % 8);
}

async function readsAll(t: Test, log: SomeLog, opened: OpenedLog, what: string): Promise<void> {
  t.ok((await readAll(opened.log)).equals(log.batches.bytes), what);
}

t.test('a reader that meets rot gets what was there, and the disk has it again', async (t) => {
  const log = await someLog(40, 2500);
  for (const { header } of log.batches.all) {
    const disk = log.disk.crash();
    const opened = await running(log, disk, copyOf(log));
    flip(log, disk, header.offset + 5);
    flip(log, disk, batchEnd(header) - 1);
    await readsAll(t, log, opened, `batch at ${header.offset}`);
    t.equal(opened.log.repairs.ranges, 1);
    t.equal(opened.log.repairs.bytes, batchEnd(header) - header.offset);
    t.same(await differences(log, disk), []);
    await opened.log.close();
  }
});

t.test('a segment header that went bad, or a file that is gone, is made again', async (t) => {
  const log = await someLog(60, 2500);
  for (const base of log.bases) {
    const disk = log.disk.crash();
    const opened = await running(log, disk, copyOf(log));
    disk.flipBit(pathOf(base), 50);
    disk.flipBit(pathOf(base), fileHeaderBytes + 30);
    await readsAll(t, log, opened, `header of ${base}`);
    t.same(await differences(log, disk), []);
    await opened.log.close();
    if (base === log.bases.at(-1)) continue;
    const without = log.disk.crash();
    const other = await running(log, without, copyOf(log));
    await without.remove(pathOf(base));
    await readsAll(t, log, other, `without ${base}`);
    t.same(await differences(log, without), []);
    await other.log.close();
  }
});

t.test('a segment that was missing when the log was opened is found to be', async (t) => {
  const log = await someLog(60, 2500);
  const [, second = 0, third = 0] = log.bases;
  const disk = log.disk.crash();
  await disk.remove(pathOf(second));
  const behind = log.batches.all.findLast(({ header }) => header.offset >= third)?.header;
  if (behind === undefined) return t.fail('the log is short');
  const start = { ...behind, offset: batchEnd(behind) };
  const opened = await openLog(disk, options, start);
  opened.log.mendFrom(sourceOf(log, copyOf(log)));
  t.notOk(opened.log.segments.includes(second));
  await readsAll(t, log, opened, 'all of it');
  t.same(opened.log.segments, log.bases);
  t.same(await differences(log, disk), []);
  await opened.log.close();
});

t.test('sectors that cannot be read while the log runs are written again', async (t) => {
  const log = await someLog(40, 2500);
  const disk = log.disk.crash();
  const opened = await running(log, disk, copyOf(log));
  for (let offset = 0; offset < log.batches.endOffset; offset += 5000) {
    const base = baseOf(log, offset);
    disk.spoilSectors(pathOf(base), positionOf(base, offset), 1);
  }
  await readsAll(t, log, opened, 'all of it');
  await opened.log.close();
  const again = await openLog(disk, options);
  await readsAll(t, log, again, 'and again, without a donor');
  await again.log.close();
});

t.test('a read that fails once is done again', async (t) => {
  const log = await someLog(40, 2500);
  const disk = log.disk.crash();
  const opened = await running(log, disk, new TestDonor());
  for (const base of log.bases) disk.failNextRead(pathOf(base));
  await readsAll(t, log, opened, 'all of it');
  t.equal(opened.log.repairs.ranges, 0);
  await opened.log.close();
});

t.test('readers that meet the same rot wait for one mending', async (t) => {
  const log = await someLog(40, 2500);
  const disk = log.disk.crash();
  const donor = copyOf(log);
  const opened = await running(log, disk, donor);
  flip(log, disk, 10);
  flip(log, disk, 9000);
  const readers = Array.from({ length: 20 }, () => readAll(opened.log));
  for (const bytes of await Promise.all(readers)) t.ok(bytes.equals(log.batches.bytes));
  t.equal(opened.log.repairs.ranges, 2);
  t.equal(donor.requests, 2);
  await opened.log.close();
});

t.test('what no copy proves is refused to readers, and the rest is read', async (t) => {
  const log = await someLog(40, 2500);
  const at = log.batches.all[20]?.header.offset ?? 0;
  const asked = [
    { donor: new TestDonor([], 'lost'), refusal: { code: 'DATA_CORRUPT', retryable: false } },
    // The other copy may prove it yet.
    { donor: new TestDonor([], 'silent'), refusal: { code: 'UNAVAILABLE', retryable: true } },
  ];
  for (const { donor, refusal } of asked) {
    const disk = log.disk.crash();
    const opened = await running(log, disk, donor);
    flip(log, disk, at + 5);
    const refused = opened.log.read(at, 4096, log.batches.endOffset);
    await t.rejects(refused, { ...refusal, message: `offset ${at}: ` });
    await t.rejects(opened.log.batchesFrom(at, 4096), refusal);
    t.ok((await readAll(opened.log, 0, at)).equals(log.batches.bytes.subarray(0, at)));
    t.same(opened.log.repairs, { ranges: 0, bytes: 0 });
    await opened.log.close();
  }
});

t.test('what a disk may have lost is told apart from what it never had', async (t) => {
  const log = await someLog(40, 2500);
  const { all } = log.batches;
  const bad = all[20]?.header;
  if (bad === undefined) return t.fail('the log is short');
  for (const rotAt of [bad.offset + 5, batchEnd(bad) - 1]) {
    const disk = log.disk.crash();
    const opened = await running(log, disk, copyOf(log));
    flip(log, disk, rotAt);
    const { writes } = disk;
    for (const { header } of all) t.ok(await opened.log.mayHold(header.offset));
    for (const { header } of all.slice(0, 10)) {
      t.notOk(await opened.log.mayHold(header.offset + 1), 'no batch begins within another');
    }
    t.notOk(await opened.log.mayHold(log.batches.endOffset));
    t.equal(disk.writes, writes, 'nothing is mended for that');
    await opened.log.close();
  }
});

t.test('above the committed end nothing is mended, and below it all is read', async (t) => {
  const log = await someLog(40, 1000);
  const disk = log.disk.crash();
  const opened = await openLog(disk, options);
  const source = sourceOf(log, copyOf(log), 3);
  opened.log.mendFrom(source);
  const { offset } = source.committedEnd();
  const before = log.batches.all.at(-4)?.header.offset ?? 0;
  flip(log, disk, offset + 10);
  flip(log, disk, before + 10);
  const page = await opened.log.read(before, 2 ** 20, log.batches.endOffset);
  t.equal(page.next, offset, 'the page ends with what is committed');
  await t.rejects(opened.log.read(offset, 4096, log.batches.endOffset), { code: 'DATA_CORRUPT' });
  t.equal(opened.log.repairs.ranges, 1);
  await opened.log.close();
});

t.test('without a donor rot is told as before', async (t) => {
  const log = await someLog(40, 2500);
  const disk = log.disk.crash();
  const { log: opened } = await openLog(disk, options);
  flip(log, disk, 100);
  await t.rejects(opened.read(0, 4096, log.batches.endOffset), { code: 'DATA_CORRUPT' });
  await opened.close();
});

t.test('an index that leads astray is made again', async (t) => {
  const log = await someLog(60, 2500, { segmentBytesMax: 160 * 1024 });
  const disk = log.disk.crash();
  const large = { ...options, segmentBytesMax: 160 * 1024 };
  const batches = Batches.of(log.batches.bytes);
  const first = await openLog(disk, large);
  first.log.append(batches.many(100, 2500));
  await first.told.durableUpTo(batches.endOffset);
  await first.log.close();
  const sound: SomeLog = { disk, batches, bases: await basesOn(disk) };
  t.ok(sound.bases.length > 1);
  const path = `${directory}/log/${indexName(0)}`;
  const index = disk.contentOf(path);
  const wrong = Buffer.from(index);
  wrong.writeBigUInt64LE(wrong.readBigUInt64LE(24) + 8n, 24);
  wrong.writeUInt32LE(crc32(wrong.subarray(0, -4)), wrong.length - 4);
  await write(disk, path, wrong, 0);
  const { log: opened } = await openLog(disk, large);
  opened.mendFrom(sourceOf(sound, new TestDonor()));
  t.ok((await readAll(opened)).equals(batches.bytes));
  t.ok(disk.contentOf(path).equals(index));
  t.equal(opened.repairs.ranges, 0, 'nothing of the log was bad');
  await opened.close();
});

t.test('a log is mended while it is written to and cut back', async (t) => {
  const log = await someLog(40, 2500);
  const disk = log.disk.crash();
  const opened = await running(log, disk, copyOf(log));
  const committed = log.batches.endOffset;
  const batches = Batches.of(log.batches.bytes);
  for (let round = 1; round <= 6; round += 1) {
    for (let offset = 700; offset < committed; offset += 7000) flip(log, disk, offset);
    const reading = readAll(opened.log, 0, committed);
    opened.log.append(batches.many(6, 3000));
    opened.log.append(batches.many(6, 3000));
    await opened.told.durableUpTo(batches.all.at(-6)?.header.offset ?? 0);
    batches.truncate(committed);
    opened.log.truncate(committed, round);
    opened.told.durable = { offset: opened.log.durableOffset, generation: round };
    t.ok((await reading).equals(log.batches.bytes));
  }
  opened.log.append(batches.many(20, 3000));
  await opened.told.durableUpTo(batches.endOffset);
  t.ok((await readAll(opened.log)).equals(batches.bytes));
  await opened.log.close();
  const again = await openLog(disk, options);
  t.ok((await readAll(again.log)).equals(batches.bytes));
  await again.log.close();
});

t.test(
  'what is in the block where a cut log goes on is verified, as it is written again',
  async (t) => {
    const log = await someLog(40, 2500);
    const disk = log.disk.crash();
    const opened = await running(log, disk, copyOf(log));
    const committed = log.batches.endOffset;
    const batches = Batches.of(log.batches.bytes);
    opened.log.append([batches.next(100)]);
    await opened.told.durableUpTo(batches.endOffset);
    flip(log, disk, committed - 1);
    t.not(positionOf(baseOf(log, committed - 1), committed) % blockBytes, 0, 'within a block');
    batches.truncate(committed);
    opened.log.truncate(committed, 1);
    opened.told.durable = { offset: committed, generation: 1 };
    opened.log.append([batches.next(100)]);
    await opened.told.durableUpTo(batches.endOffset);
    t.equal(opened.log.repairs.ranges, 1);
    await opened.log.close();
    const again = await openLog(disk, options);
    t.ok((await readAll(again.log)).equals(batches.bytes));
    await again.log.close();
  },
);
