/** When a node that cannot read its log may cut it: as late as possible, and as somebody else. */
import t from 'tap';
import { firstIncarnation } from '../../server/raft/types.js';
import { fileHeaderBytes } from '../../server/log/segment.js';
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
