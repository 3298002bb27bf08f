import t from 'tap';
import {
  clusterIdOf,
  createIdentity,
  loadIdentity,
  mendIdentity,
  replaceIdentity,
  replaceIncarnation,
} from '../../server/log/identity.js';
import { createSlots } from '../../server/log/slots.js';
import { atEveryCrash } from './crash-points.js';
import { MemoryDisk } from './memory-disk.js';

const path = '/data/identity';
const slotBytes = 4096;
const fileBytes = 2 * slotBytes;
const format = { fileName: 'identity', magic: 'LLid', version: 1 };
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

async function createdDisk(): Promise<MemoryDisk> {
  const disk = await emptyDisk();
  await createIdentity(disk, '/data', plan);
  return disk;
}

async function cutTo(length: number): Promise<MemoryDisk> {
  const disk = await createdDisk();
  const file = await disk.open(path, 'write');
  await file.truncate(length);
  await file.close();
  return disk;
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

t.test('the largest cluster has an identity', async (t) => {
  const members = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((letter) => letter.repeat(32));
  const largest = {
    name: 'n'.repeat(32),
    members,
    nodeId: 'g'.repeat(32),
    segmentBytesMax: 2 ** 30,
    incarnation: 2 ** 48 - 1,
  };
  const disk = await emptyDisk();
  const created = await createIdentity(disk, '/data', largest);
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
  for (const slot of [0, 1]) disk.flipBit(path, slot * slotBytes + 30);
  const replaced = await replaceIdentity(disk, '/data', { ...plan, incarnation: 77 });
  t.same(replaced, { ...created, incarnation: 77 });
  t.same(await loadIdentity(disk.crash(), '/data'), replaced);
});

t.test('a flipped bit costs nothing, wherever it is, and is mended', async (t) => {
  const disk = await createdDisk();
  const whole = disk.contentOf(path);
  t.equal(whole.length, fileBytes);
  const created = await loadIdentity(disk, '/data');
  for (let position = 0; position < fileBytes; position += 1) {
    disk.flipBit(path, position, position % 8);
    const damaged = disk.contentOf(path);
    const loaded = await loadIdentity(disk, '/data');
    if (JSON.stringify(loaded) !== JSON.stringify(created)) t.fail(`lost with byte ${position}`);
    if (!disk.contentOf(path).equals(damaged)) t.fail('loading has written something');
    await mendIdentity(disk, '/data');
    if (!disk.contentOf(path).equals(whole)) t.fail(`byte ${position} is not mended`);
  }
  t.same(await loadIdentity(disk.crash(), '/data'), created);
});

t.test('a crash while a copy is mended leaves the other one', async (t) => {
  for (const slot of [0, 1]) {
    let finished = false;
    const crashes = await atEveryCrash(
      async () => {
        const disk = await createdDisk();
        disk.flipBit(path, slot * slotBytes + 30);
        finished = false;
        return disk;
      },
      async (disk) => {
        await mendIdentity(disk, '/data');
        finished = true;
      },
      async (survivor) => {
        t.equal((await loadIdentity(survivor, '/data'))?.nodeId, 'b');
        if (!finished) return;
        // What has been mended makes up for the loss of the other copy.
        survivor.flipBit(path, (1 - slot) * slotBytes + 30);
        t.equal((await loadIdentity(survivor, '/data'))?.nodeId, 'b');
      },
    );
    t.ok(crashes > 2);
  }
});

t.test('two bad copies are refused', async (t) => {
  const disk = await createdDisk();
  for (const position of [0, 4, 9, 17, 30, 3000, 4095]) {
    disk.flipBit(path, position);
    disk.flipBit(path, slotBytes + position);
    const damaged = disk.contentOf(path);
    const refusal = { code: 'DATA_CORRUPT', message: path };
    await t.rejects(loadIdentity(disk, '/data'), refusal);
    await t.rejects(mendIdentity(disk, '/data'), refusal);
    t.ok(disk.contentOf(path).equals(damaged), 'and nothing is written');
    disk.flipBit(path, position);
    disk.flipBit(path, slotBytes + position);
  }
  t.ok(await loadIdentity(disk, '/data'));
});

t.test('a file cut short is made whole, as long as it has one copy', async (t) => {
  const whole = (await createdDisk()).contentOf(path);
  for (const length of [slotBytes, slotBytes + 1, fileBytes - 1]) {
    const disk = await cutTo(length);
    await mendIdentity(disk, '/data');
    t.ok(disk.crash().contentOf(path).equals(whole), `${length} bytes`);
  }
  for (const length of [0, 1, 20, slotBytes - 1]) {
    const disk = await cutTo(length);
    await t.rejects(loadIdentity(disk, '/data'), { code: 'DATA_CORRUPT' }, `${length} bytes`);
  }
});

t.test('another format version is refused', async (t) => {
  const disk = await emptyDisk();
  await createSlots(disk, '/data', { ...format, version: 2 }, { anything: true });
  await t.rejects(loadIdentity(disk, '/data'), { code: 'FORMAT_UNKNOWN', message: 'version 2' });
});

t.test('the identity is no other file that is kept twice', async (t) => {
  const disk = await emptyDisk();
  await createSlots(disk, '/data', { ...format, magic: 'LLhs' }, { anything: true });
  await t.rejects(loadIdentity(disk, '/data'), { code: 'DATA_CORRUPT' });
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
    await createSlots(disk, '/data', format, value);
    await t.rejects(loadIdentity(disk, '/data'), { code: 'DATA_CORRUPT' });
  }
});
