/** What a start finds in a data directory, and what a node may still promise afterwards. */
import t from 'tap';
import type { Directory } from '../../server/directory.js';
import { openDirectory } from '../../server/directory.js';
import type { TermAndVote } from '../../server/log/hard-state.js';
import { HardState } from '../../server/log/hard-state.js';
import { clusterIdOf, loadIdentity } from '../../server/log/identity.js';
import { createSlots } from '../../server/log/slots.js';
import { quiet } from '../../server/logger.js';
import type { NodeOptions } from '../../server/options.js';
import { resolveOptions } from '../../server/options.js';
import type { ClusterIntroduction } from '../../server/rpc/introduction.js';
import { atEveryCrash } from '../log/crash-points.js';
import { MemoryDisk } from '../log/memory-disk.js';
import { seededRandom } from '../log/seeded-random.js';

const directory = '/data';
const hardStatePath = `${directory}/hard-state`;
const identityPath = `${directory}/identity`;
const segmentPath = `${directory}/log/0000000000000000.segment`;
const cluster: ClusterIntroduction = {
  clusterName: 'orders',
  members: ['a', 'b', 'c'],
  segmentBytesMax: 2 ** 20,
};
const peers = { a: 'host-a:1', b: 'host-b:1', c: 'host-c:1' };
/** What node a has promised before it loses something. */
const promises: TermAndVote = { term: 5, vote: 'b', admitted: 1 };

async function emptyDisk(): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  await disk.makeDirectory(directory);
  return disk;
}

let seed = 1;

/** A start of node a; by default a plain one, and nobody there to introduce the cluster. */
async function start(
  disk: MemoryDisk,
  options: Partial<NodeOptions> = {},
  introduced?: ClusterIntroduction,
): Promise<Directory> {
  seed += 1;
  const settings = resolveOptions({ id: 'a', directory, peers, ...options });
  return openDirectory(disk, settings, {
    random: seededRandom(seed),
    introduce: async () => {
      if (introduced === undefined) throw new Error('nobody was to be asked');
      return introduced;
    },
  });
}

/** Node a of a running cluster, with a segment of its log. */
async function someNode(): Promise<MemoryDisk> {
  const disk = await emptyDisk();
  const { segmentBytesMax } = cluster;
  const made = await start(disk, { newCluster: 'orders', segmentBytesMax });
  await made.hardState.save(promises.term, promises.vote, promises.admitted);
  await made.hardState.close();
  await disk.makeDirectory(`${directory}/log`);
  await putFile(disk, segmentPath, Buffer.from('batches'));
  return disk;
}

async function putFile(disk: MemoryDisk, path: string, content: Buffer): Promise<void> {
  if ((await disk.lengthOf(path)) !== undefined) await disk.remove(path);
  const file = await disk.open(path, 'create');
  await file.write([content], 0);
  await file.close();
  await disk.syncDirectory(path.slice(0, path.lastIndexOf('/')));
}

async function removeFile(disk: MemoryDisk, path: string): Promise<void> {
  await disk.remove(path);
  await disk.syncDirectory(directory);
}

/** Both copies of what is kept twice. */
function rotBoth(disk: MemoryDisk, path: string): void {
  for (const copyAt of [0, 4096]) disk.flipBit(path, copyAt + 100);
}

/** Everything that can happen to what a node has to remember, and what is lost with it. */
const losses: readonly {
  readonly name: string;
  readonly inflict: (disk: MemoryDisk) => void | Promise<void>;
  readonly forgets: boolean;
}[] = [
  { name: 'a rotten identity', inflict: (disk) => rotBoth(disk, identityPath), forgets: false },
  { name: 'no identity', inflict: (disk) => removeFile(disk, identityPath), forgets: false },
  { name: 'a rotten hard state', inflict: (disk) => rotBoth(disk, hardStatePath), forgets: true },
  { name: 'no hard state', inflict: (disk) => removeFile(disk, hardStatePath), forgets: true },
  {
    name: 'both rotten',
    inflict: (disk) => {
      rotBoth(disk, identityPath);
      rotBoth(disk, hardStatePath);
    },
    forgets: true,
  },
];

t.test('every node of a new cluster is its first incarnation, and admitted', async (t) => {
  const disk = await emptyDisk();
  const made = await start(disk, { newCluster: 'orders' });
  t.match(made.identity, { clusterName: 'orders', incarnation: 1 });
  t.ok(made.admitted);
  const again = await start(disk.crash());
  t.same(again.identity, made.identity);
  t.ok(again.admitted);
});

t.test('an empty directory becomes a new incarnation, which is not admitted', async (t) => {
  const disk = await emptyDisk();
  const warnings: object[] = [];
  const logger = { ...quiet, warn: (fields: object) => void warnings.push(fields) };
  const joined = await start(disk, { logger }, cluster);
  const { incarnation } = joined.identity;
  t.same(joined.identity, {
    ...cluster,
    clusterId: clusterIdOf('orders', ['a', 'b', 'c'], 2 ** 20),
    nodeId: 'a',
    incarnation,
  });
  t.ok(incarnation > 1 && incarnation <= 2 ** 48, `${incarnation}`);
  t.notOk(joined.admitted);
  t.match(warnings, [{ incarnation, reason: /empty/ }]);

  const survivor = disk.crash();
  t.same(await HardState.peek(survivor, directory), { term: 0, vote: null, admitted: null });
  const again = await start(survivor);
  t.same(again.identity, joined.identity, 'an interrupted joining goes on as the same incarnation');
  t.notOk(again.admitted);
  await again.hardState.save(7, null, incarnation);
  t.ok(again.admitted);
  t.ok((await start(survivor.crash())).admitted);
});

t.test('two empty directories become different incarnations', async (t) => {
  const one = await start(await emptyDisk(), {}, cluster);
  const other = await start(await emptyDisk(), {}, cluster);
  t.not(one.identity.incarnation, other.identity.incarnation);
});

t.test('a node joins no other cluster than its settings name', async (t) => {
  const disk = await emptyDisk();
  const others = { ...cluster, members: ['a', 'b', 'd'] };
  await t.rejects(start(disk, {}, others), {
    code: 'WRONG_CLUSTER',
    message: /the other nodes has the nodes a, b, d; listed are: a, b, c/,
  });
  await t.rejects(start(disk, { segmentBytesMax: 2 ** 21 }, cluster), {
    code: 'CONFIG_INVALID',
    message: /began with segmentBytesMax 1048576, which cannot become 2097152/,
  });
  t.same(await disk.list(directory), [], 'and nothing was written');
  await putFile(disk, `${directory}/holiday.jpg`, Buffer.from('sea'));
  await t.rejects(start(disk, {}, cluster), {
    code: 'DIRECTORY_NOT_EMPTY',
    message: /holiday\.jpg/,
  });
});

t.test('a node that has lost something is another incarnation, and keeps its log', async (t) => {
  for (const { name, inflict, forgets } of losses) {
    const disk = await someNode();
    await inflict(disk);
    const warnings: object[] = [];
    const logger = { ...quiet, warn: (fields: object) => void warnings.push(fields) };
    const joined = await start(disk, { logger }, cluster);
    const { incarnation, clusterId } = joined.identity;
    t.equal(clusterId, clusterIdOf('orders', ['a', 'b', 'c'], 2 ** 20), name);
    t.ok(incarnation > 1 && !joined.admitted, name);
    t.match(warnings, [
      { incarnation, reason: /\/data\/(identity|hard-state)|identity is missing/ },
    ]);
    const survivor = disk.crash();
    t.same(
      await HardState.peek(survivor, directory),
      forgets ? { term: 0, vote: null, admitted: null } : promises,
      name,
    );
    t.equal(survivor.contentOf(segmentPath).toString(), 'batches', name);
    const again = await start(survivor);
    t.same([again.identity, again.admitted], [joined.identity, false], name);
  }
});

t.test('rot in one copy of what is kept twice costs nothing, and is mended', async (t) => {
  for (const path of [identityPath, hardStatePath]) {
    for (const copyAt of [0, 4096]) {
      const disk = await someNode();
      for (const rotAt of [copyAt, 4096 - copyAt]) {
        disk.flipBit(path, rotAt + 100);
        const opened = await start(disk);
        t.equal(opened.identity.incarnation, 1);
        t.ok(opened.admitted);
        const { term, vote, admitted } = opened.hardState;
        t.same({ term, vote, admitted }, promises);
      }
    }
  }
});

t.test('a directory that is not this node’s is not mended', async (t) => {
  const disk = await someNode();
  disk.flipBit(identityPath, 100);
  const found = disk.contentOf(identityPath);
  const asOther = { id: 'b', newCluster: 'orders' };
  await t.rejects(start(disk, { id: 'b' }), { code: 'WRONG_NODE' });
  await t.rejects(start(disk, asOther), { code: 'DIRECTORY_NOT_EMPTY' });
  t.ok(disk.contentOf(identityPath).equals(found));
});

t.test('a node that is told to becomes another incarnation', async (t) => {
  const disk = await someNode();
  const opened = await start(disk);
  t.ok(opened.admitted);
  const incarnation = await opened.renew();
  t.equal(opened.identity.incarnation, incarnation);
  t.ok(incarnation > 1 && !opened.admitted);
  const second = await opened.renew();
  t.not(second, incarnation);
  await opened.hardState.save(5, 'c', second);
  t.ok(opened.admitted, 'the vote of the older one does not bind it');
  const again = await start(disk.crash());
  t.equal(again.identity.incarnation, second);
  t.ok(again.admitted);
});

t.test('after any crash a node is what it was, or another one that is not admitted', async (t) => {
  const check = async (name: string, survivor: MemoryDisk) => {
    const identity = await loadIdentity(survivor, directory).catch(() => undefined);
    const left = await HardState.peek(survivor, directory).catch(() => undefined);
    if (identity?.incarnation === 1 && left !== undefined) t.same(left, promises, name);
    else if (identity !== undefined) t.not(left?.admitted, identity.incarnation, name);
    const opened = await start(survivor, {}, cluster);
    t.equal(opened.admitted, opened.identity.incarnation === 1, name);
    t.equal(survivor.contentOf(segmentPath).toString(), 'batches', name);
  };
  for (const { name, inflict } of losses) {
    let finished = false;
    const crashes = await atEveryCrash(
      async () => {
        const disk = await someNode();
        await inflict(disk);
        finished = false;
        return disk;
      },
      async (disk) => {
        await start(disk, {}, cluster);
        finished = true;
      },
      async (survivor) => {
        await check(name, survivor);
        const { incarnation } = (await start(survivor)).identity;
        if (finished) t.not(incarnation, 1, name);
      },
    );
    t.ok(crashes > 6, name);
  }
  let finished = false;
  const crashes = await atEveryCrash(
    async () => {
      finished = false;
      return someNode();
    },
    async (disk) => {
      await (await start(disk)).renew();
      finished = true;
    },
    async (survivor) => {
      const { incarnation } = (await loadIdentity(survivor, directory)) ?? {};
      if (finished) t.not(incarnation, 1);
      await check('told to', survivor);
    },
  );
  t.ok(crashes > 6);
});

t.test('a crash while a node joins leaves nothing, or an incarnation not admitted', async (t) => {
  const crashes = await atEveryCrash(
    emptyDisk,
    async (disk) => void (await start(disk, {}, cluster)),
    async (survivor) => {
      const left = await loadIdentity(survivor, directory);
      const joined = await start(survivor, {}, cluster);
      t.notOk(joined.admitted);
      if (left !== undefined) t.same(joined.identity, left);
      t.same(await HardState.peek(survivor, directory), { term: 0, vote: null, admitted: null });
    },
  );
  t.ok(crashes > 10);
});

t.test('what an interrupted beginning left is no obstacle for either way on', async (t) => {
  await atEveryCrash(
    emptyDisk,
    async (disk) => void (await start(disk, { newCluster: 'orders' })),
    async (survivor) => {
      const begun = (await loadIdentity(survivor, directory)) !== undefined;
      const opened = await start(survivor, {}, cluster);
      t.equal(opened.admitted, begun);
      t.equal(opened.identity.incarnation === 1, begun);
    },
  );
});

t.test('another format version is refused, and nothing is replaced', async (t) => {
  const disk = await someNode();
  const newer = { fileName: 'identity', magic: 'LLid', version: 2 };
  await createSlots(disk, directory, newer, { anything: true });
  const found = disk.contentOf(identityPath);
  await t.rejects(start(disk, {}, cluster), { code: 'FORMAT_UNKNOWN' });
  t.ok(disk.contentOf(identityPath).equals(found));

  for (const identity of ['whole', 'rotten'] as const) {
    const other = await someNode();
    const format = { fileName: 'hard-state', magic: 'LLhs', version: 2 };
    await createSlots(other, directory, format, { anything: true });
    if (identity === 'rotten') rotBoth(other, identityPath);
    const before = [other.contentOf(identityPath), other.contentOf(hardStatePath)];
    await t.rejects(start(other, {}, cluster), { code: 'FORMAT_UNKNOWN' });
    t.same([other.contentOf(identityPath), other.contentOf(hardStatePath)], before);
  }
});

t.test('a cluster of one starts with one copy of what is kept twice', async (t) => {
  const alone = { peers: {} };
  for (const path of [identityPath, hardStatePath]) {
    const disk = await emptyDisk();
    const made = await start(disk, { ...alone, newCluster: 'orders' });
    for (const copyAt of [0, 4096]) {
      disk.flipBit(path, copyAt + 100);
      const opened = await start(disk, alone);
      t.same(opened.identity, made.identity);
      t.ok(opened.admitted);
    }
  }
});

t.test('a cluster of one gives nothing up, since nobody has what is lost', async (t) => {
  const alone = { peers: {} };
  await t.rejects(start(await emptyDisk(), alone, cluster), { code: 'DIRECTORY_EMPTY' });
  for (const { name, inflict } of losses) {
    const disk = await emptyDisk();
    await start(disk, { ...alone, newCluster: 'orders' });
    await disk.makeDirectory(`${directory}/log`);
    await putFile(disk, segmentPath, Buffer.from('batches'));
    await inflict(disk);
    const names = await disk.list(directory);
    await t.rejects(start(disk, alone, cluster), { code: 'DATA_CORRUPT' }, name);
    t.same(await disk.list(directory), names, name);
  }
});

t.test('a new cluster is not begun where a node has lost something', async (t) => {
  for (const { name, inflict } of losses) {
    const disk = await someNode();
    await inflict(disk);
    const refusal = { code: /^(DATA_CORRUPT|DIRECTORY_NOT_EMPTY)$/ };
    await t.rejects(start(disk, { newCluster: 'orders' }, cluster), refusal, name);
  }
});
