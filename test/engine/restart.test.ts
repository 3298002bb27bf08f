import { join } from 'node:path';
import t from 'tap';
import { Store } from '../../server/store.js';
import type { MemoryDisk } from '../log/memory-disk.js';
import { directory, EngineCluster } from './cluster.js';

/** What the log on a disk says at its end, read from a checkpoint on or from the front. */
async function stateOn(disk: MemoryDisk, clusterId: string, cluster: EngineCluster) {
  const store = await Store.open(
    { disk, clock: cluster.clock, donor: { batchesFrom: async () => undefined } },
    directory,
    { clusterId, segmentBytesMax: 64 * 1024, recentBytesMax: 2 ** 20, checkpointBytesMax: 2 ** 20 },
    {
      onDurable: () => undefined,
      onFailed: () => undefined,
      onStalled: () => undefined,
      onMended: () => undefined,
    },
  );
  return { from: store.committed.endOffset, tip: store.tip.toJson() };
}

async function withoutCheckpoints(disk: MemoryDisk): Promise<MemoryDisk> {
  for (const name of await disk.list(directory)) {
    if (name.startsWith('checkpoint')) await disk.remove(join(directory, name));
  }
  await disk.syncDirectory(directory);
  return disk;
}

t.test('a checkpoint says what the log in front of it says', async (t) => {
  const cluster = await EngineCluster.start();
  const { clock } = cluster;
  const leader = await cluster.leader();
  const [follower] = cluster.others(leader);
  const { clusterId } = await leader.status();
  const append = async (count: number) => {
    const client = cluster.client();
    const writer = client.writer({ batchBytes: 3000 });
    for (let i = 0; i < count; i += 1) await writer.write(Buffer.alloc(i * 10, i % 256));
    await writer.flush();
    await client.fence(`token ${count}`);
    await client.append('by another producer', { token: `token ${count}` });
    await client.close();
  };
  await clock.run(append(150));
  await cluster.settled();
  await clock.run(follower.stop());
  await clock.run(follower.start());
  await clock.run(append(70));
  await cluster.settled();
  follower.crash();
  const { from, tip } = await clock.run(stateOn(follower.disk.crash(), clusterId, cluster));
  t.ok(from > 100_000, 'a checkpoint was used');
  const bare = await clock.run(withoutCheckpoints(follower.disk.crash()));
  const whole = await clock.run(stateOn(bare, clusterId, cluster));
  t.equal(whole.from, 0, 'none was used');
  t.same(tip, whole.tip);
  leader.crash();
  const other = await clock.run(withoutCheckpoints(leader.disk.crash()));
  t.same(tip, (await clock.run(stateOn(other, clusterId, cluster))).tip, 'on another node too');
  await cluster.close();
});

t.test('a retry after a restart of all nodes gets the first place', async (t) => {
  const cluster = await EngineCluster.start();
  const { clock, peers, clients } = cluster;
  const client = cluster.client();
  await clock.run(client.append('first'));
  await cluster.settled();
  const leader = await cluster.leader();
  const { endOffset } = await leader.status();
  // Commits take longer than it takes to cut the client off.
  peers.delayMsMax = 50;
  const appending = client.append('second');
  const isOrdered = async () => (await leader.status()).endOffset > endOffset;
  await cluster.until('the append to be ordered', isOrdered);
  clients.cut('client', leader.address);
  const [{ dataEnd } = { dataEnd: NaN }] = await cluster.settled();
  t.ok(dataEnd > endOffset, 'it is committed, and the client does not know');
  for (const node of cluster.nodes) node.crash();
  for (const node of cluster.nodes) await clock.run(node.start());
  clients.heal();
  const { end } = await clock.run(appending);
  t.equal(end, dataEnd, 'it is told of the one that is there');
  for (const status of await cluster.settled()) t.equal(status.dataEnd, dataEnd);
  await clock.run(client.close());
  await cluster.close();
});
