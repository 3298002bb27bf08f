import t from 'tap';
import { encodeEnvelope } from '../../server/log/envelope.js';
import {
  clusterIdOf,
  createIdentity,
  loadIdentity,
  replaceIdentity,
  replaceIncarnation,
} from '../../server/log/identity.js';
import { atEveryCrash } from './crash-points.js';
import { MemoryDisk } from './memory-disk.js';

const plan = {
  name: 'orders',
  members: ['c', 'a', 'b'],
  nodeId: 'b',
  segmentBytesMax: 2 ** 20,
  incarnation: 1,
};

async function emptyDisk(): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  await disk.makeDirectory('/data');
  return disk;
}

async function putFile(disk: MemoryDisk, path: string, content: Buffer): Promise<void> {
  const file = await disk.open(path, 'create');
  await file.write([content], 0);
  await file.close();
}

t.test('an identity is loaded as it was created', async (t) => {
  const disk = await emptyDisk();
  t.equal(await loadIdentity(disk, '/data'), undefined);
  const created = await createIdentity(disk, '/data', plan);
  t.same(created, {
    clusterId: clusterIdOf('orders', ['a', 'b', 'c'], 2 ** 20),
    clusterName: 'orders',
    nodeId: 'b',
    members: ['a', 'b', 'c'],
    segmentBytesMax: 2 ** 20,
    incarnation: 1,
  });
  t.same(await loadIdentity(disk, '/data'), created);
});

t.test('the cluster id follows from name, members and segment size alone', async (t) => {
  const id = clusterIdOf('orders', ['a', 'b', 'c'], 1);
  t.match(id, /^[0-9a-f]{64}$/);
  t.equal(clusterIdOf('orders', ['c', 'b', 'a'], 1), id);
  const others = [
    clusterIdOf('orders', ['a', 'b', 'c'], 2),
    clusterIdOf('order', ['a', 'b', 'c'], 1),
    clusterIdOf('orders', ['a', 'b,c'], 1),
    clusterIdOf('orders', ['a', 'b","c'], 1),
    clusterIdOf('orders', ['a', 'b'], 1),
    clusterIdOf('orders","a', ['b', 'c'], 1),
  ];
  t.equal(new Set([id, ...others]).size, 7);
});

t.test('a directory is made once', async (t) => {
  const disk = await emptyDisk();
  const created = await createIdentity(disk, '/data', plan);
  const again = createIdentity(disk, '/data', { ...plan, name: 'other' });
  await t.rejects(again, { code: 'DIRECTORY_NOT_EMPTY' });
  t.same(await loadIdentity(disk, '/data'), created);
});

t.test('a cluster that cannot be is refused', async (t) => {
  const disk = await emptyDisk();
  const wrong = [
    { ...plan, nodeId: 'd' },
    { ...plan, members: ['a', 'b', 'b'] },
    { ...plan, members: ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'] },
    { ...plan, segmentBytesMax: 0 },
    { ...plan, segmentBytesMax: 1.5 },
  ];
  for (const one of wrong) {
    await t.rejects(createIdentity(disk, '/data', one), { code: 'CONFIG_INVALID' });
    await t.rejects(replaceIdentity(disk, '/data', one), { code: 'CONFIG_INVALID' });
  }
  t.same(await disk.list('/data'), []);
});

t.test('a crash while it is created leaves all of it or nothing', async (t) => {
  const crashes = await atEveryCrash(
    emptyDisk,
    async (disk) => void (await createIdentity(disk, '/data', plan)),
    async (survivor) => {
      const left = await loadIdentity(survivor, '/data');
      if (left === undefined) await createIdentity(survivor, '/data', plan);
      t.equal((await loadIdentity(survivor, '/data'))?.nodeId, 'b');
    },
  );
  t.ok(crashes > 4);
});

t.test('a crash while the incarnation is replaced leaves the old one or the new', async (t) => {
  let created = await createIdentity(await emptyDisk(), '/data', plan);
  let finished = false;
  const crashes = await atEveryCrash(
    async () => {
      const disk = await emptyDisk();
      created = await createIdentity(disk, '/data', plan);
      finished = false;
      return disk;
    },
    async (disk) => {
      const renewed = await replaceIncarnation(disk, '/data', created, 77);
      t.same(renewed, { ...created, incarnation: 77 });
      finished = true;
    },
    async (survivor) => {
      const left = await loadIdentity(survivor, '/data');
      const incarnation = finished || left?.incarnation === 77 ? 77 : 1;
      t.same(left, { ...created, incarnation });
    },
  );
  t.ok(crashes > 4);
});

t.test('an identity that cannot be read is replaced', async (t) => {
  const disk = await emptyDisk();
  const created = await createIdentity(disk, '/data', plan);
  disk.flipBit('/data/identity', 30);
  const replaced = await replaceIdentity(disk, '/data', { ...plan, incarnation: 77 });
  t.same(replaced, { ...created, incarnation: 77 });
  t.same(await loadIdentity(disk.crash(), '/data'), replaced);
});

t.test('every flipped bit is found', async (t) => {
  const disk = await emptyDisk();
  await createIdentity(disk, '/data', plan);
  const { length } = disk.contentOf('/data/identity');
  for (let position = 0; position < length; position += 1) {
    disk.flipBit('/data/identity', position, position % 8);
    await t.rejects(loadIdentity(disk, '/data'), {
      code: 'DATA_CORRUPT',
      message: '/data/identity',
    });
    disk.flipBit('/data/identity', position, position % 8);
  }
  t.ok(await loadIdentity(disk, '/data'));
});

t.test('a file cut short is found', async (t) => {
  const disk = await emptyDisk();
  await createIdentity(disk, '/data', plan);
  const content = disk.contentOf('/data/identity');
  for (const length of [0, 1, 20, content.length - 1]) {
    const cut = await emptyDisk();
    await putFile(cut, '/data/identity', content.subarray(0, length));
    await t.rejects(loadIdentity(cut, '/data'), { code: 'DATA_CORRUPT' });
  }
});

t.test('another format version is refused', async (t) => {
  const disk = await emptyDisk();
  const content = encodeEnvelope({ kind: 'identity', version: 2 }, { anything: true });
  await putFile(disk, '/data/identity', content);
  await t.rejects(loadIdentity(disk, '/data'), { code: 'FORMAT_UNKNOWN', message: 'version 2' });
});

t.test('a whole file that says nonsense is refused', async (t) => {
  const good = {
    clusterId: clusterIdOf('orders', ['a'], 1),
    clusterName: 'orders',
    nodeId: 'a',
    members: ['a'],
    segmentBytesMax: 1,
    incarnation: 1,
  };
  const nonsense = [
    null,
    [],
    { ...good, members: 'a' },
    { ...good, members: [1] },
    { ...good, incarnation: -1 },
    { ...good, nodeId: undefined },
    { ...good, clusterName: 'other' },
  ];
  for (const value of nonsense) {
    const disk = await emptyDisk();
    const content = encodeEnvelope({ kind: 'identity', version: 1 }, value);
    await putFile(disk, '/data/identity', content);
    await t.rejects(loadIdentity(disk, '/data'), { code: 'DATA_CORRUPT' });
  }
});
