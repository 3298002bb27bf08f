import t from 'tap';
import type { DiskOperation } from './memory-disk.js';
import { Batches, openLog } from './log-fixture.js';
import { MemoryDisk } from './memory-disk.js';

t.test('what is cut off while it is being written does not become durable', async (t) => {
  let finishWrite: (() => void) | undefined;
  let isSlow = false;
  const disk = new MemoryDisk({
    delay: (operation: DiskOperation) => {
      if (!isSlow || operation !== 'write') return undefined;
      return new Promise((resolve) => (finishWrite = resolve));
    },
  });
  const { log, told } = await openLog(disk);
  const batches = new Batches();
  const kept = batches.next(100);
  log.append([kept]);
  await told.durableUpTo(batches.endOffset);
  const { endOffset } = batches;
  isSlow = true;
  log.append([batches.next(100)]);
  while (finishWrite === undefined) await new Promise((resolve) => setImmediate(resolve));
  log.truncate(endOffset, 1);
  isSlow = false;
  finishWrite();
  await log.close();
  t.equal(log.durableOffset, endOffset);
  t.equal(told.durable.offset, endOffset);
  t.same(told.failures, []);
});
