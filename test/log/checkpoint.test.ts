import t from 'tap';
import { loadCheckpoint, saveCheckpoint } from '../../server/log/checkpoint.js';
import { encodeEnvelope } from '../../server/log/envelope.js';
import { atEveryCrash } from './crash-points.js';
import { MemoryDisk } from './memory-disk.js';

async function withCheckpoints(...offsets: number[]): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  await disk.makeDirectory('/data');
  for (const offset of offsets) await saveCheckpoint(disk, '/data', offset, { at: offset });
  return disk;
}

t.test('the newest checkpoint is loaded, and the newest two are kept', async (t) => {
  let disk = await withCheckpoints();
  t.equal(await loadCheckpoint(disk, '/data'), undefined);
  for (const offset of [0, 96, 2 ** 53 - 1]) {
    await saveCheckpoint(disk, '/data', offset, { at: offset });
    t.ok((await disk.list('/data')).length <= 2);
    disk = disk.crash();
    t.same(await loadCheckpoint(disk, '/data'), { offset, value: { at: offset } });
  }
});

t.test('saving again at the same offset replaces the checkpoint', async (t) => {
  const disk = await withCheckpoints(5, 10);
  await saveCheckpoint(disk, '/data', 10, 'again');
  t.same(await loadCheckpoint(disk, '/data'), { offset: 10, value: 'again' });
});

t.test('a bad checkpoint is passed over for the one before', async (t) => {
  const { length } = (await withCheckpoints(500)).contentOf('/data/checkpoint-0000000000000500');
  for (let position = 0; position < length; position += 1) {
    const disk = await withCheckpoints(400, 500);
    disk.flipBit('/data/checkpoint-0000000000000500', position, position % 8);
    t.same(await loadCheckpoint(disk, '/data'), { offset: 400, value: { at: 400 } });
  }
});

t.test('without a good checkpoint there is none', async (t) => {
  const disk = await withCheckpoints(400, 500);
  disk.flipBit('/data/checkpoint-0000000000000400', 40);
  disk.flipBit('/data/checkpoint-0000000000000500', 40);
  t.equal(await loadCheckpoint(disk, '/data'), undefined);
});

t.test(
  'a checkpoint under the name of another, or of another version, does not count',
  async (t) => {
    const disk = await withCheckpoints(400);
    const put = async (name: string, content: Buffer) => {
      const file = await disk.open(`/data/${name}`, 'create');
      await file.write([content], 0);
      await file.close();
    };
    const value = { offset: 700, value: 'later' };
    await put(
      'checkpoint-0000000000000700',
      encodeEnvelope({ kind: 'checkpoint', version: 1 }, value),
    );
    await put(
      'checkpoint-0000000000000600',
      encodeEnvelope({ kind: 'checkpoint', version: 2 }, value),
    );
    await put('checkpoint-700', encodeEnvelope({ kind: 'checkpoint', version: 2 }, value));
    t.equal((await loadCheckpoint(disk, '/data'))?.offset, 400);
  },
);

t.test('a crash while one is saved leaves it or the one before', async (t) => {
  const crashes = await atEveryCrash(
    () => withCheckpoints(100, 200),
    (disk) => saveCheckpoint(disk, '/data', 300, { at: 300 }),
    async (survivor) => {
      const loaded = await loadCheckpoint(survivor, '/data');
      t.ok(loaded?.offset === 200 || loaded?.offset === 300);
      t.same(loaded?.value, { at: loaded?.offset });
      await saveCheckpoint(survivor, '/data', 400, 'next');
      t.same(await loadCheckpoint(survivor, '/data'), { offset: 400, value: 'next' });
      t.equal((await survivor.list('/data')).length, 2);
    },
  );
  t.ok(crashes > 5);
});

t.test('a full disk costs a checkpoint and nothing else', async (t) => {
  const disk = await withCheckpoints(100);
  disk.full = true;
  await t.rejects(saveCheckpoint(disk, '/data', 200, 'more'), { code: 'ENOSPC', noSpace: true });
  t.equal((await loadCheckpoint(disk, '/data'))?.offset, 100);
  disk.full = false;
  await saveCheckpoint(disk, '/data', 200, 'more');
  t.equal((await loadCheckpoint(disk, '/data'))?.offset, 200);
});
