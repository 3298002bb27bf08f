/** What disks lose, other nodes give back; what a node promised and lost, it does not pretend. */
import t from 'tap';
import type { Test } from 'tap';
import type { Client } from '../../client/client.js';
import { quiet } from '../../server/logger.js';
import { firstIncarnation } from '../../server/raft/types.js';
import type { DiskSnapshot } from '../log/memory-disk.js';
import { readAll } from '../sim/read-all.js';
import type { TestNode } from './cluster.js';
import { directory, EngineCluster } from './cluster.js';

const firstSegment = `${directory}/log/${'0'.repeat(16)}.segment`;
/** By then a node that came is linked to the others. */
const linkedMs = 200;

/** Of the file's header. */
const fileHeaderBytes = 4096;

async function started(node = {}): Promise<{
  cluster: EngineCluster;
  leader: TestNode;
  follower: TestNode;
  client: Client;
}> {
  const cluster = await EngineCluster.start({ node: { electionTimeoutMs: 200, ...node } });
  const leader = await cluster.leader();
  const [follower] = cluster.others(leader);
  return { cluster, leader, follower, client: cluster.client() };
}

async function append(cluster: EngineCluster, client: Client, count: number): Promise<void> {
  for (let i = 0; i < count; i += 1) await cluster.clock.run(client.append(Buffer.alloc(1000, i)));
}

/** The committed bytes of a node, page by page. */
function bytesOf(cluster: EngineCluster, node: TestNode): Promise<Buffer> {
  return cluster.clock.run(readAll(node));
}

/** Its next start begins to read behind a checkpoint, and finds nothing of what lies before it. */
async function rotten(cluster: EngineCluster, node: TestNode): Promise<void> {
  await cluster.clock.run(node.stop());
  await cluster.clock.run(node.start());
  await cluster.settled();
  await cluster.clock.pass(linkedMs);
  node.disk.flipBit(firstSegment, fileHeaderBytes + 1500);
}

async function restarted(cluster: EngineCluster, node: TestNode): Promise<void> {
  node.crash();
  await cluster.clock.run(node.start());
}

/** All nodes have one log; returns it. */
async function agreed(cluster: EngineCluster): Promise<Buffer> {
  await cluster.settled();
  const [first, ...others] = await Promise.all(cluster.nodes.map((node) => bytesOf(cluster, node)));
  if (first === undefined) throw new Error('there are nodes');
  if (!others.every((other) => other.equals(first))) throw new Error('the logs differ');
  return first;
}

/** All nodes have one log, and it begins with what was there before. */
async function agreedOn(t: Test, cluster: EngineCluster, before: Buffer): Promise<void> {
  const after = await agreed(cluster);
  t.same(after.subarray(0, before.length), before, 'what was there before');
}

/** A copy of its directory, made while it is down. */
async function backup(cluster: EngineCluster, node: TestNode): Promise<DiskSnapshot> {
  node.crash();
  const copy = node.disk.snapshot();
  await cluster.clock.run(node.start());
  return copy;
}

/** Waits until it takes part again, as another incarnation. */
async function reborn(cluster: EngineCluster, node: TestNode): Promise<void> {
  await cluster.until('its new incarnation', async () => {
    if (node.reachable === undefined) return false;
    const { incarnation, admitted } = await node.status();
    return admitted && incarnation !== firstIncarnation;
  });
}

t.test('what a read finds rotten is repaired, and the reader gets the right bytes', async (t) => {
  const { cluster, follower, client } = await started();
  await append(cluster, client, 5);
  const before = await agreed(cluster);
  await rotten(cluster, follower);
  t.same(await bytesOf(cluster, follower), before);
  t.match((await follower.status()).repairs, { ranges: 1 });
  t.equal(follower.failure, null, 'the node goes on');
  await restarted(cluster, follower);
  t.same(await bytesOf(cluster, follower), before, 'the repair is on its disk');
  t.match((await follower.status()).repairs, { ranges: 0 });
  await cluster.clock.run(client.close());
  await cluster.close();
});

t.test('what cannot be repaired now fails the read alone, and is repaired later', async (t) => {
  const { cluster, follower, client } = await started();
  await append(cluster, client, 5);
  const before = await agreed(cluster);
  await rotten(cluster, follower);
  cluster.peers.isolate(
    follower.id,
    cluster.nodes.map(({ id }) => id),
  );
  await t.rejects(bytesOf(cluster, follower), { code: 'UNAVAILABLE' });
  t.equal(follower.failure, null, 'the node goes on');
  cluster.peers.heal();
  await cluster.settled();
  await cluster.clock.pass(linkedMs);
  t.same(await bytesOf(cluster, follower), before);
  await cluster.clock.run(client.close());
  await cluster.close();
});

t.test('rot that nobody reads is found, repaired in time, and told of', async (t) => {
  const told: [object, string][] = [];
  const logger = { ...quiet, warn: (fields: object, text = '') => void told.push([fields, text]) };
  const { cluster, follower, client } = await started({ scrubIntervalMs: 10_000, logger });
  await append(cluster, client, 5);
  const before = await agreed(cluster);
  follower.disk.flipBit(firstSegment, fileHeaderBytes + 1500);
  await cluster.clock.pass(15_000);
  const { ranges, bytes } = (await follower.status()).repairs;
  t.equal(ranges, 1);
  t.same(told.at(-1), [{ baseOffset: 0, ranges, bytes }, 'repaired the log from other nodes']);
  await restarted(cluster, follower);
  t.same(await agreed(cluster), before);
  t.equal((await follower.status()).incarnation, firstIncarnation);
  await cluster.clock.run(client.close());
  await cluster.close();
});

t.test('a node that starts with rot in its log repairs it before it takes part', async (t) => {
  const { cluster, follower, client } = await started();
  await append(cluster, client, 5);
  const before = await agreed(cluster);
  follower.crash();
  for (const at of [1500, 3200]) follower.disk.flipBit(firstSegment, fileHeaderBytes + at);
  await cluster.clock.run(follower.start());
  await agreedOn(t, cluster, before);
  t.equal((await follower.status()).incarnation, firstIncarnation);
  await cluster.clock.run(client.close());
  await cluster.close();
});

t.test('three nodes with rot at different places make each other whole', async (t) => {
  const { cluster, client } = await started();
  await append(cluster, client, 6);
  const before = await agreed(cluster);
  for (const node of cluster.nodes) node.crash();
  for (const [i, { disk }] of cluster.nodes.entries()) {
    disk.flipBit(firstSegment, fileHeaderBytes + 1500 + 1200 * i);
  }
  await cluster.clock.run(Promise.all(cluster.nodes.map((node) => node.start())));
  await agreedOn(t, cluster, before);
  for (const node of cluster.nodes) {
    t.equal((await node.status()).incarnation, firstIncarnation, `${node.id} kept its promises`);
  }
  await cluster.clock.run(client.close());
  await cluster.close();
});

/** Of what is kept twice. */
function rotBothCopies({ disk }: TestNode, fileName: 'hard-state' | 'identity'): void {
  for (const at of [40, 4096 + 40]) disk.flipBit(`${directory}/${fileName}`, at);
}

/** Nothing valid follows the last header, and without its checksum it is no torn write. */
function loseEnd({ disk }: TestNode): void {
  disk.flipBit(firstSegment, disk.contentOf(firstSegment).lastIndexOf('LLog') + 92);
}

const losses: Record<string, (node: TestNode) => void> = {
  'its directory': ({ disk }) => disk.wipe(),
  'the end of its log': loseEnd,
  'its term and vote': (node) => rotBothCopies(node, 'hard-state'),
  'its identity': (node) => rotBothCopies(node, 'identity'),
};

for (const [what, lose] of Object.entries(losses)) {
  t.test(`a node that has lost ${what} comes back as another incarnation`, async (t) => {
    const { cluster, follower, leader, client } = await started();
    await append(cluster, client, 5);
    const before = await agreed(cluster);
    follower.crash();
    lose(follower);
    await append(cluster, client, 2);
    await cluster.clock.run(follower.start());
    await cluster.until('its admission', async () => (await follower.status()).admitted);
    await agreedOn(t, cluster, before);
    const { incarnation } = await follower.status();
    t.not(incarnation, firstIncarnation);
    // It counts again: with the leader gone, the other two elect one of them.
    leader.crash();
    await cluster.leader(cluster.others(leader));
    await append(cluster, client, 1);
    await cluster.clock.run(leader.start());
    await restarted(cluster, follower);
    await agreed(cluster);
    t.equal((await follower.status()).incarnation, incarnation, 'once');
    await cluster.clock.run(client.close());
    await cluster.close();
  });
}

t.test('a node with an older copy of its directory is told, and comes back', async (t) => {
  const { cluster, follower, client } = await started();
  await append(cluster, client, 2);
  await cluster.settled();
  const older = await backup(cluster, follower);
  await append(cluster, client, 4);
  const before = await agreed(cluster);
  follower.crash();
  follower.disk.restore(older);
  await cluster.clock.run(follower.start());
  await reborn(cluster, follower);
  await agreedOn(t, cluster, before);
  await cluster.clock.run(client.close());
  await cluster.close();
});

t.test('an older copy that has rotted besides comes back as well', async (t) => {
  const { cluster, leader, follower, client } = await started();
  await append(cluster, client, 2);
  await cluster.settled();
  const older = await backup(cluster, follower);
  // The term rises, and the follower says so to those who go on running.
  leader.crash();
  await cluster.leader(cluster.others(leader));
  await cluster.clock.run(leader.start());
  await append(cluster, client, 2);
  const before = await agreed(cluster);
  follower.crash();
  follower.disk.restore(older);
  loseEnd(follower);
  void follower.start();
  await reborn(cluster, follower);
  await agreedOn(t, cluster, before);
  await cluster.clock.run(client.close());
  await cluster.close();
});

t.test('a majority that has lost its directories elects nobody', async (t) => {
  const { cluster, leader, client } = await started();
  await append(cluster, client, 5);
  await cluster.settled();
  const wiped = cluster.others(leader);
  for (const node of wiped) {
    node.crash();
    node.disk.wipe();
  }
  await cluster.clock.run(Promise.all(wiped.map((node) => node.start())));
  await cluster.clock.pass(20_000);
  const statuses = await Promise.all(cluster.nodes.map((node) => node.status()));
  t.ok(statuses.every(({ role }) => role !== 'leader'));
  t.same(
    wiped.map((node) => statuses[cluster.nodes.indexOf(node)]?.admitted),
    [false, false],
  );
  await cluster.clock.run(client.close());
  await cluster.close();
});
