/** A key authenticates one body at each offset, so no two terms may share one. */
import t from 'tap';
import type { TestNode } from './cluster.js';
import { EngineCluster } from './cluster.js';

async function handOver(cluster: EngineCluster, from: TestNode, to: TestNode): Promise<void> {
  await cluster.clock.run(from.service.transfer({ to: to.id }, new AbortController().signal));
  await cluster.settled();
}

t.test('every term has a digest key of its own, also of a node that leads again', async (t) => {
  const cluster = await EngineCluster.start();
  const keysByTerm = new Map<number, Set<string>>();
  cluster.peers.passes = (_from, _to, message) => {
    if (message.type !== 'append') return true;
    const keys = keysByTerm.get(message.term) ?? new Set();
    keysByTerm.set(message.term, keys.add(message.digestKey.toString('hex')));
    return true;
  };
  const first = await cluster.leader();
  const [second] = cluster.others(first);
  await handOver(cluster, first, second);
  await handOver(cluster, second, first);
  await handOver(cluster, first, second);
  const keys = [...keysByTerm.values()].flatMap((one) => [...one]);
  t.ok(keysByTerm.size >= 3, 'each leader has appended in its term');
  t.equal(keys.length, keysByTerm.size, 'one key in a term');
  t.equal(new Set(keys).size, keys.length, 'no key in two terms');
  await cluster.close();
});
