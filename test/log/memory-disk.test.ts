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

t.test('a failed sync leaves what readers see and a power cut loses', async (t) => {
  const { disk, file } = await withFile();
  disk.faultWrite(1, { type: 'failSync', code: 'EIO' });
  await t.rejects(file.write([sectors(2, 2)], 7 * 512), { code: 'EIO' });
  t.same(disk.contentOf('/data/file'), Buffer.concat([sectors(7, 1), sectors(2, 2)]));
  disk.writeBack();
  t.same(disk.crash().contentOf('/data/file'), sectors(8, 1));
});

t.test('what is synced can be told from what is only written', async (t) => {
  const { disk, file } = await withFile();
  const release = disk.stallWrites();
  const write = file.write([sectors(2, 2)], 7 * 512);
  const created = await disk.open('/data/created', 'create');
  await created.close();
  const into = Buffer.alloc(2 * 512);
  const operations = disk.operations;
  t.equal(disk.readSynced('/data/file', into, 7 * 512), 512);
  t.equal(into[0], 1);
  t.equal(disk.readSynced('/data/created', into, 0), undefined);
  t.equal(disk.operations, operations);
  release();
  await write;
  t.equal(disk.readSynced('/data/file', into, 7 * 512), 1024);
  t.same(into, sectors(2, 2));
});

t.test('a lost write and a misdirected one report success', async (t) => {
  const { disk, file } = await withFile();
  const other = await disk.open('/data/other', 'create');
  await other.write([sectors(2, 7)], 0);
  await disk.syncDirectory('/data');
  disk.faultNextWrite('/data/file', { type: 'lose' });
  await file.write([sectors(1, 2)], 0);
  disk.faultNextWrite('/data/file', { type: 'misdirect', path: '/data/other', position: 512 });
  await other.write([sectors(1, 8)], 0);
  await file.write([sectors(3, 3)], 0);
  const expected = Buffer.concat([sectors(1, 8), sectors(1, 3)]);
  for (const one of [disk, disk.crash()]) {
    t.same(one.contentOf('/data/file'), sectors(8, 1));
    t.same(one.contentOf('/data/other'), expected);
  }
});

t.test('bad sectors cannot be read until they are rewritten, also after a crash', async (t) => {
  const { disk } = await withFile();
  disk.spoilSectors('/data/file', 600, 10);
  const survivor = disk.crash();
  const file = await survivor.open('/data/file', 'write');
  const into = Buffer.alloc(512);
  t.equal(await file.read(into, 0), 512);
  await t.rejects(file.read(into, 512), { code: 'EIO' });
  await t.rejects(file.read(into, 511), { code: 'EIO' });
  await file.write([sectors(1, 2)], 512);
  t.equal(await file.read(into, 512), 512);
  survivor.failNextRead('/data/file');
  await t.rejects(file.read(into, 0), { code: 'EIO' });
  t.equal(await file.read(into, 0), 512);
});

t.test('rot and zeros hit any file by its path', async (t) => {
  const { disk } = await withFile();
  const [found] = disk.files();
  t.same(found, { path: '/data/file', length: 8 * 512 });
  disk.flipBit('/data/file', 5, 1);
  disk.zeroSectors('/data/file', 7 * 512 + 1, 1000);
  for (const content of [disk, disk.crash()].map((one) => one.contentOf('/data/file'))) {
    t.same(content.subarray(0, 10), Buffer.from([1, 1, 1, 1, 1, 3, 1, 1, 1, 1]));
    t.same(content.subarray(6 * 512), Buffer.concat([sectors(1, 1), sectors(1, 0)]));
  }
});

t.test('an older image of the whole disk can be put back, and none', async (t) => {
  const { disk, file } = await withFile();
  const snapshot = disk.snapshot();
  await file.write([sectors(9, 2)], 0);
  await disk.rename('/data/file', '/data/renamed');
  const survivor = disk.crash();
  for (let again = 0; again < 2; again += 1) {
    survivor.restore(snapshot);
    t.same(survivor.contentOf('/data/file'), sectors(8, 1));
    t.same(await survivor.list('/data'), ['file']);
    await (await survivor.open('/data/file', 'write')).write([sectors(1, 5)], 0);
  }
  survivor.wipe();
  t.same(survivor.files(), []);
  await survivor.makeDirectory('/data');
  await survivor.lock('/data');
  t.throws(() => survivor.wipe(), /no process/);
});

t.test('writing fills the room that there is', async (t) => {
  const { disk, file } = await withFile();
  disk.roomBytes = 10 * 512 + 100;
  await t.rejects(file.write([sectors(4, 2)], 8 * 512), { code: 'ENOSPC' });
  t.equal(disk.usedBytes, 10 * 512, 'what fits was written');
  await t.rejects(file.truncate(12 * 512), { code: 'ENOSPC' });
  await file.write([sectors(10, 3)], 0);
  const survivor = disk.crash();
  t.equal(survivor.roomBytes, disk.roomBytes);
  t.same(survivor.contentOf('/data/file'), sectors(10, 3));
});

t.test(
  'a killed process leaves all that it wrote, and a power cut then what was synced',
  async (t) => {
    const { disk, file } = await withFile();
    disk.stallWrites();
    t.ok(await isPending(file.write([sectors(8, 2)], 0)));
    await disk.rename('/data/file', '/data/renamed');
    const next = disk.kill();
    t.ok(await isPending(disk.list('/data')));
    t.same(next.contentOf('/data/renamed'), sectors(8, 2));
    const kept = Array.from({ length: 20 }, (_, seed) => next.crash(seed).files()[0]?.path);
    t.equal(new Set(kept).size, 2);
    const written = disk.kill();
    written.writeBack();
    t.same(written.crash().contentOf('/data/renamed'), sectors(8, 2));
  },
);

t.test('what a killed process left never comes over what is durable since', async (t) => {
  const { disk, file } = await withFile();
  disk.stallWrites();
  t.ok(await isPending(file.write([sectors(8, 2)], 0)));
  t.ok(await isPending(file.truncate(6 * 512)));
  const next = disk.kill();
  const reopened = await next.open('/data/file', 'write');
  await reopened.write([sectors(2, 3)], 512);
  for (let seed = 1; seed <= 20; seed += 1) {
    const content = next.crash(seed).contentOf('/data/file');
    t.same(content.subarray(512, 3 * 512), sectors(2, 3));
    t.ok(content.length <= 6 * 512, 'the length that it was cut to before');
  }
  next.writeBack();
  const expected = Buffer.concat([sectors(1, 2), sectors(2, 3), sectors(3, 2)]);
  t.same(next.crash().contentOf('/data/file'), expected);
});

t.test('operations take the time that their kind takes', async (t) => {
  const seen: string[] = [];
  const disk = new MemoryDisk({
    delay: (operation) => {
      seen.push(operation);
      return operation === 'lock' ? new Promise<void>(() => {}) : undefined;
    },
  });
  await disk.makeDirectory('/data');
  t.ok(await isPending(disk.lock('/data')));
  t.same(seen, ['makeDirectory', 'lock']);
});
