import t from 'tap';
import type { Test } from 'tap';
import { batchEnd } from '../../proto/batch.js';
import { loadCheckpoint, saveCheckpoint } from '../../server/log/checkpoint.js';
import { cutTail } from '../../server/log/cut-tail.js';
import { positionOf } from '../../server/log/segment.js';
import { atEveryCrash } from './crash-points.js';
import { Batches, clusterId, directory, openLog } from './log-fixture.js';
import type { MemoryDisk } from './memory-disk.js';
import {
  baseOf,
  bytesHeld,
  copyOf,
  mendedLog,
  openMended,
  options,
  pathOf,
  someLog,
} from './mend-fixture.js';

/** Goes on behind what is left. */
async function goesOn(t: Test, disk: MemoryDisk, bytes: Buffer): Promise<void> {
  const batches = Batches.of(bytes);
  const { log, told } = await openLog(disk, options);
  log.append(batches.many(10, 2500));
  await told.durableUpTo(batches.endOffset);
  await log.close();
  const again = await openLog(disk, options);
  t.ok((await bytesHeld(again)).equals(batches.bytes));
}

t.test('a log ends where it is cut, and goes on from there', async (t) => {
  const log = await someLog(40, 2500);
  const { all, bytes } = log.batches;
  for (const i of [0, 1, 7, 20, 38, 39]) {
    const offset = all[i]?.header.offset ?? 0;
    const disk = log.disk.crash();
    disk.flipBit(pathOf(baseOf(log, offset)), positionOf(baseOf(log, offset), offset) + 9);
    await cutTail(disk, directory, clusterId, offset);
    const { log: opened, told } = await openLog(disk, options);
    t.equal(opened.endOffset, offset);
    t.ok(Buffer.concat(told.recovered).length <= offset);
    await opened.close();
    await goesOn(t, disk, bytes.subarray(0, offset));
  }
});

t.test('a tail that nobody can tell is cut where the good part ends', async (t) => {
  const log = await someLog(40, 2500);
  const last = log.batches.all.at(-1)?.header;
  if (last === undefined) return t.fail('the log is empty');
  const disk = log.disk.crash();
  const base = baseOf(log, last.offset);
  disk.flipBit(pathOf(base), positionOf(base, last.offset) + 9);
  const opening = await openMended(disk, copyOf(log));
  if (opening.type !== 'tail') return t.fail(opening.type);
  await cutTail(disk, directory, clusterId, opening.rot.offset);
  const again = await mendedLog(disk, copyOf(log));
  t.ok((await bytesHeld(again)).equals(log.batches.bytes.subarray(0, last.offset)));
});

t.test('checkpoints of what is cut are forgotten, and older ones are not', async (t) => {
  const log = await someLog(40, 2500);
  const [kept, cut] = [log.batches.all[10], log.batches.all[30]];
  if (kept === undefined || cut === undefined) return t.fail('the log is short');
  const disk = log.disk.crash();
  await saveCheckpoint(disk, directory, batchEnd(kept.header), 'kept');
  await saveCheckpoint(disk, directory, batchEnd(cut.header), 'cut');
  await cutTail(disk, directory, clusterId, cut.header.offset);
  t.match(await loadCheckpoint(disk.crash(), directory), { value: 'kept' });
});

t.test('a log that ends in front of the cut only loses its checkpoints', async (t) => {
  const log = await someLog(10, 2500);
  const disk = log.disk.crash();
  await saveCheckpoint(disk, directory, 10 ** 9, 'from another life');
  await cutTail(disk, directory, clusterId, 10 ** 8);
  t.equal(await loadCheckpoint(disk, directory), undefined);
  const opened = await openLog(disk, options);
  t.ok((await bytesHeld(opened)).equals(log.batches.bytes));
});

t.test('a crash while it is cut leaves it as bad as it was, or cut', async (t) => {
  const log = await someLog(40, 2500);
  const at = log.batches.all[12]?.header.offset ?? 0;
  const base = baseOf(log, at);
  const crashes = await atEveryCrash(
    async () => {
      const disk = log.disk.crash();
      await saveCheckpoint(disk, directory, log.batches.endOffset, 'behind');
      disk.flipBit(pathOf(base), positionOf(base, at) + 9);
      return disk;
    },
    (disk) => cutTail(disk, directory, clusterId, at),
    async (survivor) => {
      const held = await bytesHeld(await mendedLog(survivor, copyOf(log)));
      const whole = held.equals(log.batches.bytes);
      if (!whole && !held.equals(log.batches.bytes.subarray(0, at))) t.fail('neither');
    },
  );
  t.ok(crashes > 10);
});
