/** When a node that cannot read its log may cut it: as late as possible, and as somebody else. */
import t from 'tap';
import { firstIncarnation } from '../../server/raft/types.js';
import { fileHeaderBytes } from '../../server/log/segment.js';
import type { TestNode } from './cluster.js';
import { directory, EngineCluster } from './cluster.js';

const firstSegment = `${directory}/log/${'0'.repeat(16)}.segment`;

/** Longer than it takes to ask every peer in turn. */
const longMs = 10_000;

/** A follower that is down, and in whose log the header of one batch is rotten. */
async function rotten(which: 'last' | 'within') {
  const cluster = await EngineCluster.start({ node: { electionTimeoutMs: 200 } });
  const leader = await cluster.leader();
  const [follower] = cluster.others(leader);
  const client = cluster.client();
  const offsets: number[] = [];
  for (let i = 0; i < 6; i += 1) {
    const { offset } = await cluster.clock.run(client.append(Buffer.alloc(1000, i)));
    offsets.push(offset);
  }
  await cluster.settled();
  await cluster.clock.run(client.close());
  follower.crash();
  const entryAt = offsets.at(which === 'last' ? -1 : 2) ?? 0;
  const rotAt = fileHeaderBytes + entryAt - 10;
  follower.disk.flipBit(firstSegment, rotAt);
  return { cluster, follower, rotAt, before: follower.disk.contentOf(firstSegment) };
}

t.test(
  'a log that has lost its end is cut when a leader is heard, by a new incarnation',
  async (t) => {
    const { cluster, follower, before } = await rotten('last');
    const ids = cluster.nodes.map(({ id }) => id);
    cluster.peers.isolate(follower.id, ids);
    const starting = follower.start();
    await cluster.clock.pass(longMs);
    t.ok(follower.disk.contentOf(firstSegment).equals(before), 'nothing is cut out of reach');
    cluster.peers.heal();
    await cluster.clock.run(starting);
    await cluster.until('its admission', async () => (await follower.status()).admitted);
    t.not((await follower.status()).incarnation, firstIncarnation);
    await cluster.settled();
    await cluster.close();
  },
);

t.test('a log with rot within is not cut while a node may know what stood there', async (t) => {
  const { cluster, follower, before } = await rotten('within');
  let isSilent = true;
  cluster.peers.passes = (_from, _to, { type }) => !(isSilent && type === 'repairReply');
  const starting = follower.start();
  await cluster.clock.pass(longMs);
  t.ok(follower.disk.contentOf(firstSegment).equals(before), 'nothing is cut before an answer');
  isSilent = false;
  await cluster.clock.run(starting);
  t.equal((await follower.status()).incarnation, firstIncarnation, 'it has lost nothing');
  await cluster.settled();
  await cluster.close();
});

t.test('a log with rot within is not cut for what every other node has lost too', async (t) => {
  const { cluster, follower, rotAt, before } = await rotten('within');
  const others = cluster.nodes.filter((node) => node !== follower);
  for (const { disk } of others) disk.flipBit(firstSegment, rotAt);
  const starting = follower.start();
  await cluster.clock.pass(longMs);
  t.ok(follower.disk.contentOf(firstSegment).equals(before), 'it may be committed, and so it was');
  for (const { disk } of others) disk.flipBit(firstSegment, rotAt);
  await cluster.clock.run(starting);
  t.equal((await follower.status()).incarnation, firstIncarnation, 'it has lost nothing');
  await cluster.settled();
  await cluster.close();
});

t.test('nor for what one of two others has lost too, and the third never had', async (t) => {
  const cluster = await EngineCluster.start({
    node: { electionTimeoutMs: 200, recentBytesMax: 2 ** 20 },
  });
  const leader = await cluster.leader();
  const [follower, away] = cluster.others(leader);
  await cluster.settled();
  cluster.peers.cut(leader.id, away.id);
  cluster.peers.cut(follower.id, away.id);
  const client = cluster.client();
  const { offset } = await cluster.clock.run(client.append(Buffer.alloc(1000, 1)));
  // The leader has it in its memory no longer.
  for (let i = 0; i < 60; i += 1) await cluster.clock.run(client.append(Buffer.alloc(20_000, i)));
  await cluster.clock.run(client.close());
  await cluster.settled([leader, follower]);
  follower.crash();
  const rotAt = fileHeaderBytes + offset;
  for (const { disk } of [leader, follower]) disk.flipBit(firstSegment, rotAt);
  const before = follower.disk.contentOf(firstSegment);
  cluster.peers.heal();
  const starting = follower.start();
  await cluster.clock.pass(longMs);
  t.equal((await leader.status()).role, 'leader', 'it is heard');
  t.ok(follower.disk.contentOf(firstSegment).equals(before), 'it was committed');
  leader.disk.flipBit(firstSegment, rotAt);
  await cluster.clock.run(starting);
  t.equal((await follower.status()).incarnation, firstIncarnation, 'it has lost nothing');
  await cluster.settled();
  await cluster.close();
});

/** Two of five are down that alone have one batch, which has rotted on the disks of both. */
async function twoRotten() {
  const cluster = await EngineCluster.start({ size: 5, node: { electionTimeoutMs: 200 } });
  const leader = await cluster.leader();
  const [partner, ...others] = cluster.nodes.filter((node) => node !== leader);
  if (partner === undefined) throw new Error('there are five nodes');
  const client = cluster.client();
  await cluster.clock.run(client.append('what all have'));
  const [first] = await cluster.settled();
  const endOffset = first?.endOffset ?? 0;
  const rotten = [leader, partner];
  const isRotten = (id: string) => rotten.some((node) => node.id === id);
  const ids = cluster.nodes.map(({ id }) => id);
  cluster.peers.partition(ids, (from, to) => isRotten(from) === isRotten(to));
  const appending = client.append(Buffer.alloc(3000, 1));
  await cluster.until('both to have it', async () => {
    const statuses = await Promise.all(rotten.map((node) => node.status()));
    return statuses.every(({ durableOffset }) => durableOffset > endOffset);
  });
  for (const node of rotten) {
    node.crash();
    node.disk.flipBit(firstSegment, fileHeaderBytes + endOffset + 1500);
  }
  cluster.peers.heal();
  await cluster.leader(others);
  await cluster.clock.run(appending);
  await cluster.clock.run(client.close());
  return { cluster, rotten };
}

/** Started and admitted, as another incarnation. */
async function comesBack(cluster: EngineCluster, node: TestNode): Promise<boolean> {
  await cluster.until(`the admission of ${node.id}`, async () => {
    return node.reachable !== undefined && (await node.status()).admitted;
  });
  return (await node.status()).incarnation !== firstIncarnation;
}

t.test('what no majority can have had is cut, although two nodes have lost it', async (t) => {
  const { cluster, rotten } = await twoRotten();
  for (const node of rotten) void node.start();
  for (const node of rotten) t.ok(await comesBack(cluster, node), node.id);
  await cluster.settled();
  await cluster.close();
});

t.test('and although a node that may have it is gone for long', async (t) => {
  const { cluster, rotten } = await twoRotten();
  const [gone, node] = rotten;
  if (gone === undefined || node === undefined) return t.fail('two nodes are rotten');
  void node.start();
  t.ok(await comesBack(cluster, node));
  await cluster.settled(cluster.nodes.filter((each) => each !== gone));
  await cluster.close();
});
