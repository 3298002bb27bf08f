import t from 'tap';
import { fileHeaderBytes } from '../../server/log/segment.js';
import { atEveryCrash } from './crash-points.js';
import { openLog, readAll } from './log-fixture.js';
import { becomesWhole, copyOf, mendedLog, options, pathOf, someLog } from './mend-fixture.js';

t.test('a power cut at any operation of the mending loses nothing', async (t) => {
  const log = await someLog(34, 2500);
  const [, second = 0, third = 0] = log.bases;
  t.equal(log.bases.length, 3);
  const prepare = async () => {
    const rotten = log.disk.crash();
    await rotten.remove(pathOf(second));
    await rotten.syncDirectory('/data/log');
    rotten.flipBit(pathOf(0), fileHeaderBytes + 20);
    rotten.flipBit(pathOf(0), fileHeaderBytes + 9000);
    rotten.flipBit(pathOf(third), 70);
    rotten.flipBit(pathOf(third), fileHeaderBytes + 3000);
    return rotten.crash();
  };
  const crashes = await atEveryCrash(
    prepare,
    async (disk) => (await mendedLog(disk, copyOf(log))).log.close(),
    (survivor) => becomesWhole(t, log, survivor),
  );
  t.ok(crashes > 60, `${crashes} crashes`);
});

t.test('a power cut while a running log is mended loses nothing', async (t) => {
  const log = await someLog(20, 2500);
  t.equal(log.bases.length, 2);
  const crashes = await atEveryCrash(
    () => Promise.resolve(log.disk.crash()),
    async (disk) => {
      const { log: opened } = await openLog(disk, options);
      opened.mendFrom({
        donor: copyOf(log),
        committedEnd: () => log.batches.place,
        onMended: () => undefined,
      });
      for (const base of log.bases) {
        disk.flipBit(pathOf(base), 70);
        disk.flipBit(pathOf(base), fileHeaderBytes + 20);
        disk.flipBit(pathOf(base), fileHeaderBytes + 9000);
      }
      await readAll(opened);
      await opened.close();
    },
    (survivor) => becomesWhole(t, log, survivor),
  );
  t.ok(crashes > 40, `${crashes} crashes`);
});
