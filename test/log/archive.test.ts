import t from 'tap';
import { batchEnd } from '../../proto/batch.js';
import { readArchive } from '../../server/log/archive.js';
import { positionOf } from '../../server/log/segment.js';
import { bytesOf, directory } from './log-fixture.js';
import { MemoryDisk } from './memory-disk.js';
import { baseOf, pathOf, someLog } from './mend-fixture.js';

t.test('any batch of a log that is closed is given, and those that follow it', async (t) => {
  const log = await someLog(40, 2500);
  const { batches, disk } = log;
  const { writes } = disk;
  for (const [i, { header }] of batches.all.entries()) {
    for (const bytesMax of [1, 3000, 2 ** 20]) {
      const given = await readArchive(disk, directory, header.offset, bytesMax);
      t.ok(given.length > 0);
      t.ok(bytesOf(given).equals(bytesOf(batches.all.slice(i, i + given.length))));
      t.ok(given.length === 1 || bytesOf(given).length <= bytesMax);
      const base = baseOf(log, header.offset);
      t.ok(
        given.every((batch) => baseOf(log, batch.header.offset) === base),
        'of one segment',
      );
    }
  }
  t.equal(disk.writes, writes, 'nothing is written');
});

t.test('where no batch begins there is none', async (t) => {
  const { disk, batches } = await someLog(10, 500);
  for (const offset of [1, 50, batches.endOffset, batches.endOffset + 10 ** 9]) {
    t.same(await readArchive(disk, directory, offset, 10_000), []);
  }
  t.same(await readArchive(new MemoryDisk(), directory, 0, 10_000), []);
});

t.test('a batch that is bad is not given, and those around it are', async (t) => {
  const log = await someLog(40, 2500);
  const { all } = log.batches;
  const [before, bad, after] = all.slice(3, 6).map(({ header }) => header);
  if (before === undefined || bad === undefined || after === undefined) return t.fail('too short');
  const base = baseOf(log, bad.offset);
  t.equal(baseOf(log, batchEnd(after) - 1), base);
  for (const at of [bad.offset + 20, batchEnd(bad) - 1]) {
    const rotten = log.disk.crash();
    rotten.flipBit(pathOf(base), positionOf(base, at));
    t.same(await readArchive(rotten, directory, bad.offset, 10_000), []);
    const inFront = await readArchive(rotten, directory, before.offset, 100_000);
    t.ok(bytesOf(inFront).equals(bytesOf(all.slice(3, 4))));
    const behind = await readArchive(rotten, directory, after.offset, 1);
    t.ok(bytesOf(behind).equals(bytesOf(all.slice(5, 6))));
  }
  const disk = log.disk.crash();
  disk.spoilSectors(pathOf(base), positionOf(base, bad.offset), 1);
  t.same(await readArchive(disk, directory, bad.offset, 10_000), []);
});
