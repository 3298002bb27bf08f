import t from 'tap';
import type { DiskFile } from '../../server/log/disk.js';
import { MemoryDisk } from './memory-disk.js';

const sectors = (count: number, value: number) => Buffer.alloc(count * 512, value);

async function withFile(): Promise<{ disk: MemoryDisk; file: DiskFile }> {
  const disk = new MemoryDisk();
  await disk.makeDirectory('/data');
  const file = await disk.open('/data/file', 'create');
  await file.write([sectors(8, 1)], 0);
  await disk.syncDirectory('/data');
  return { disk, file };
}

function isPending(promise: Promise<unknown>): Promise<boolean> {
  const turn = new Promise<boolean>((done) => setImmediate(() => done(true)));
  return Promise.race([promise.then(() => false), turn]);
}

t.test('a write that has ended survives, one that has not survives by sectors', async (t) => {
  const { disk, file } = await withFile();
  disk.stallWrites();
  const write = file.write([sectors(8, 2)], 0);
  t.ok(await isPending(write));
  const seen = new Set<string>();
  for (let seed = 0; seed < 50; seed += 1) {
    const content = disk.crash(seed).contentOf('/data/file');
    const kept = Array.from({ length: 8 }, (_, i) => content.subarray(i * 512, (i + 1) * 512));
    t.ok(kept.every((sector) => sector.equals(sectors(1, 1)) || sector.equals(sectors(1, 2))));
    seen.add(kept.map((sector) => sector[0]).join(''));
  }
  t.ok(seen.size > 10, 'the subsets differ');
  t.same(disk.crash(7).contentOf('/data/file'), disk.crash(7).contentOf('/data/file'));
});

t.test('a directory operation survives for certain only when it was synced', async (t) => {
  const { disk } = await withFile();
  await disk.rename('/data/file', '/data/renamed');
  const names = new Set<string>();
  for (let seed = 0; seed < 20; seed += 1) {
    names.add((await disk.crash(seed).list('/data')).join());
  }
  t.same([...names].toSorted(), ['file', 'renamed']);
});

t.test('after a power cut nothing is answered and nothing changes', async (t) => {
  const { disk, file } = await withFile();
  const survivor = disk.crash();
  t.ok(await isPending(file.write([sectors(1, 9)], 0)));
  t.ok(await isPending(disk.list('/data')));
  t.same(survivor.contentOf('/data/file'), sectors(8, 1));
});

t.test('a failing write fails once, half done', async (t) => {
  const { disk, file } = await withFile();
  disk.failWrite(2, 'EIO');
  await file.write([sectors(1, 3)], 0);
  await t.rejects(file.write([sectors(4, 4)], 0), { name: 'DiskError', code: 'EIO' });
  await file.write([sectors(1, 5)], 0);
  t.same(
    [0, 512, 1024].map((at) => disk.contentOf('/data/file')[at]),
    [5, 4, 1],
  );
});

t.test('a full disk takes only what needs no room', async (t) => {
  const { disk, file } = await withFile();
  disk.full = true;
  await file.write([sectors(8, 2)], 0);
  await t.rejects(file.write([sectors(1, 2)], 8 * 512), { code: 'ENOSPC' });
  await t.rejects(disk.open('/data/new', 'create'), { code: 'ENOSPC' });
  disk.full = false;
  await file.write([sectors(1, 2)], 8 * 512);
});

t.test('stalled writes end when they are released', async (t) => {
  const { disk, file } = await withFile();
  const release = disk.stallWrites();
  const write = file.write([sectors(1, 2)], 0);
  t.ok(await isPending(write));
  release();
  await write;
  t.equal(disk.crash().contentOf('/data/file')[0], 2);
});
