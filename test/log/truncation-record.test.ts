import t from 'tap';
import { createSlots } from '../../server/log/slots.js';
import type { Truncation } from '../../server/log/truncation-record.js';
import { TruncationRecord } from '../../server/log/truncation-record.js';
import { atEveryCrash } from './crash-points.js';
import { MemoryDisk } from './memory-disk.js';

async function emptyDisk(): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  await disk.makeDirectory('/data');
  return disk;
}

async function created(): Promise<MemoryDisk> {
  const disk = await emptyDisk();
  await (await TruncationRecord.open(disk, '/data')).close();
  return disk;
}

async function pendingOn(disk: MemoryDisk): Promise<Truncation | null> {
  const record = await TruncationRecord.open(disk, '/data');
  await record.close();
  return record.pending;
}

const cut = { offset: 96, endOffset: 4000 };

t.test('a truncation is pending from its record until it is cleared', async (t) => {
  let disk = await created();
  for (const one of [cut, { offset: 0, endOffset: 1 }]) {
    const record = await TruncationRecord.open(disk, '/data');
    t.equal(record.pending, null);
    await record.write(one);
    t.same(record.pending, one);
    disk = disk.crash();
    t.same(await TruncationRecord.peek(disk, '/data'), one);
    const restarted = await TruncationRecord.open(disk, '/data');
    t.same(restarted.pending, one);
    await restarted.clear();
    t.equal(restarted.pending, null);
    disk = disk.crash();
    t.equal(await TruncationRecord.peek(disk, '/data'), null);
  }
});

t.test('a crash at any point leaves the record as before or as asked for', async (t) => {
  let possible: readonly (Truncation | null)[] = [];
  const crashes = await atEveryCrash(
    async () => {
      possible = [null];
      return emptyDisk();
    },
    async (disk) => {
      const record = await TruncationRecord.open(disk, '/data');
      possible = [null, cut];
      await record.write(cut);
      possible = [cut, null];
      await record.clear();
      possible = [null];
      await record.close();
    },
    async (survivor) => {
      const pending = await pendingOn(survivor);
      t.ok(possible.some((one) => one?.offset === pending?.offset));
      t.same(await pendingOn(survivor.crash()), pending);
    },
  );
  t.ok(crashes > 8);
});

t.test('when it is written it is durable, when it is cleared too', async (t) => {
  const disk = await created();
  const record = await TruncationRecord.open(disk, '/data');
  disk.full = true;
  await record.write(cut);
  for (let seed = 0; seed < 8; seed += 1) t.same(await pendingOn(disk.crash(seed)), cut);
});

t.test('no record is no truncation', async (t) => {
  const disk = await emptyDisk();
  t.equal(await TruncationRecord.peek(disk, '/data'), null);
  t.same(await disk.list('/data'), []);
});

t.test('a record of which rot took both copies is none, and is made again', async (t) => {
  const disk = await created();
  const pending = await TruncationRecord.open(disk, '/data');
  await pending.write(cut);
  await pending.close();
  disk.flipBit('/data/truncation', 50);
  t.same(await pendingOn(disk), cut, 'one copy is enough');
  disk.flipBit('/data/truncation', 50);
  disk.flipBit('/data/truncation', 4096 + 50);
  const told = { code: 'DATA_CORRUPT', message: '/data/truncation' };
  await t.rejects(TruncationRecord.peek(disk, '/data'), told);
  t.equal(await pendingOn(disk), null);
  t.equal(await TruncationRecord.peek(disk.crash(), '/data'), null);
});

t.test('nonsense with a good checksum is refused', async (t) => {
  const format = { fileName: 'truncation', magic: 'LLtr', version: 1 };
  for (const pending of [3, {}, { offset: 5, endOffset: 5 }, { offset: -1, endOffset: 5 }]) {
    const disk = await emptyDisk();
    await createSlots(disk, '/data', format, { pending });
    await t.rejects(TruncationRecord.open(disk, '/data'), { code: 'DATA_CORRUPT' });
  }
});

t.test('one truncation at a time, and each cuts something off', async (t) => {
  const record = await TruncationRecord.open(await created(), '/data');
  await t.rejects(record.write({ offset: 5, endOffset: 5 }), { code: 'INTERNAL' });
  await record.write(cut);
  await t.rejects(record.write(cut), { code: 'INTERNAL' });
});
