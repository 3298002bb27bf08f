import t from 'tap';
import { batchEnd } from '../../proto/batch.js';
import { fileHeaderBytes, indexName, positionOf } from '../../server/log/segment.js';
import { directory, openLog } from './log-fixture.js';
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
} from './mend-fixture.js';

const noPause = () => Promise.resolve();

function committedEnd({ batches }: SomeLog) {
  return () => batches.place;
}

t.test('a sound log is read from end to end, at the pace that is asked for', async (t) => {
  const log = await someLog(60, 2500);
  const disk = log.disk.crash();
  const donor = new TestDonor();
  const { log: opened } = await openLog(disk, options);
  opened.mendFrom({ donor, committedEnd: committedEnd(log), onMended: () => undefined });
  const { writes } = disk;
  for (const base of opened.segments) {
    const paces: number[] = [];
    const scrubbed = await opened.scrub(base, async (bytes) => {
      paces.push(bytes);
      await Promise.resolve();
    });
    t.match(scrubbed, { ranges: 0, bytes: 0, unproven: undefined });
    t.equal(
      scrubbed.bytesRead,
      paces.reduce((sum, bytes) => sum + bytes, 0),
    );
    const next = opened.segments.find((other) => other > base) ?? log.batches.endOffset;
    t.ok(scrubbed.bytesRead >= next - base);
  }
  t.equal(disk.writes, writes, 'nothing is written');
  t.equal(donor.requests, 0);
  await opened.close();
});

t.test('every kind of rot is found', async (t) => {
  const log = await someLog(60, 2500);
  const [, second = 0] = log.bases;
  const index = `${directory}/log/${indexName(second)}`;
  const kinds: Readonly<Record<string, (disk: MemoryDisk) => void | Promise<void>>> = {
    'a file header': (disk) => disk.flipBit(pathOf(second), 60),
    'a batch header': (disk) => disk.flipBit(pathOf(second), fileHeaderBytes + 9),
    'a body': (disk) => disk.flipBit(pathOf(second), fileHeaderBytes + 200),
    'an index': (disk) => disk.flipBit(index, 9),
    'a sector': (disk) => disk.spoilSectors(pathOf(second), fileHeaderBytes + 5000, 1),
    'a sector of the index': (disk) => disk.spoilSectors(index, 9, 1),
    'a file that is gone': (disk) => disk.remove(pathOf(second)),
    'an index that is gone': (disk) => disk.remove(index),
  };
  for (const [what, spoil] of Object.entries(kinds)) {
    const disk = log.disk.crash();
    const { log: opened } = await openLog(disk, options);
    opened.mendFrom({
      donor: copyOf(log),
      committedEnd: committedEnd(log),
      onMended: () => undefined,
    });
    await spoil(disk);
    const scrubbed = await opened.scrub(second, noPause);
    t.equal(scrubbed.unproven, undefined, what);
    t.equal(scrubbed.ranges > 0, !what.includes('index'), what);
    t.same(opened.repairs, { ranges: scrubbed.ranges, bytes: scrubbed.bytes }, what);
    t.same(await differences(log, disk), [], what);
    t.ok(disk.contentOf(index).equals(log.disk.contentOf(index)), what);
    const again = await opened.scrub(second, noPause);
    t.match(again, { ranges: 0, unproven: undefined }, what);
    await opened.close();
  }
});

t.test('rot that no copy can mend is told, with what was mended in front of it', async (t) => {
  const log = await someLog(60, 2500);
  const { all } = log.batches;
  const disk = log.disk.crash();
  const { log: opened } = await openLog(disk, options);
  opened.mendFrom({
    donor: new TestDonor(all.slice(0, 3)),
    committedEnd: committedEnd(log),
    onMended: () => undefined,
  });
  for (const i of [1, 5]) disk.flipBit(pathOf(0), positionOf(0, all[i]?.header.offset ?? 0) + 20);
  const scrubbed = await opened.scrub(0, noPause);
  t.equal(scrubbed.ranges, 1);
  t.match(scrubbed.unproven, {
    unanswered: 0,
    rot: { code: 'DATA_CORRUPT', kind: 'within', baseOffset: 0, offset: all[5]?.header.offset },
  });
  await opened.close();
});

t.test('what is not committed is not scrubbed', async (t) => {
  const log = await someLog(60, 2500);
  const disk = log.disk.crash();
  const { log: opened } = await openLog(disk, options);
  const last = log.batches.all[30]?.header;
  if (last === undefined) return t.fail('the log is short');
  const end = { offset: batchEnd(last), chain: last.chain };
  opened.mendFrom({ donor: copyOf(log), committedEnd: () => end, onMended: () => undefined });
  const base = baseOf(log, end.offset);
  disk.flipBit(pathOf(base), positionOf(base, end.offset) + 5);
  t.match(await opened.scrub(base, noPause), { ranges: 0, unproven: undefined });
  const later = log.bases.find((other) => other > end.offset) ?? 0;
  t.match(await opened.scrub(later, noPause), { ranges: 0, bytesRead: 0, unproven: undefined });
  await opened.close();
});

t.test('a segment that was cut off meanwhile is not made again', async (t) => {
  const { disk, batches } = await someLog(60, 2500);
  const { log, told } = await openLog(disk, options);
  log.mendFrom({
    donor: new TestDonor(batches.all),
    committedEnd: () => batches.place,
    onMended: () => undefined,
  });
  const heardOf = log.segments.at(-1) ?? 0;
  const cutAt = batches.all.find(({ header }) => batchEnd(header) === heardOf)?.header.offset ?? 0;
  log.truncate(cutAt, 1);
  batches.truncate(cutAt);
  log.append([batches.next(1), ...batches.many(60, 2500)]);
  await told.durableUpTo(batches.endOffset);
  t.notOk(log.segments.includes(heardOf), 'the log goes on in other segments');
  t.match(await log.scrub(heardOf, noPause), { ranges: 0, made: [], unproven: undefined });
  t.same(await basesOn(disk), log.segments);
  await log.close();
});
