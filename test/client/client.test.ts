import t from 'tap';
import { createClient } from '../../client/client.js';
import type { Transport } from '../../client/transport.js';
import { withLocalNode } from '../../client/transport.js';
import { FakeCluster } from './fake-cluster.js';
import { clientOf, collect, entriesIn } from './helpers.js';

t.test('one address is enough to find the cluster', async (t) => {
  const fake = new FakeCluster(3);
  const client = createClient({ ...fake.environment, seeds: ['n3:7600'] });
  await fake.clock.run(client.ready());
  await fake.clock.run(client.append('a'));
  t.strictSame(entriesIn(fake), ['a']);
  await fake.clock.run(client.close());
});

t.test('a cluster that does not answer is told with each address and reason', async (t) => {
  const fake = new FakeCluster(2);
  for (const node of fake.nodes) node.health = 'down';
  const client = clientOf(fake);
  const before = fake.clock.monotonicMs();
  const error = await fake.clock.run(client.ready({ timeoutMs: 800 }).catch((e: Error) => e));
  t.match(error, { code: 'UNAVAILABLE' });
  t.match(error?.message, /n1:7600: connection refused by n1:7600; n2:7600: connection refused/);
  t.equal(fake.clock.monotonicMs() - before, 800);
  const ready = client.ready();
  await fake.clock.pass(3000);
  fake.node('n2').health = 'up';
  await fake.clock.run(ready);
  await fake.clock.run(client.close());
});

t.test('nodes of two clusters are refused as one', async (t) => {
  const fake = new FakeCluster(1, 'c1');
  const other = new FakeCluster(1, 'c2');
  const both: Transport = {
    open: (address) => ({
      service: (address === 'a:1' ? fake : other).node('n1'),
      close: () => undefined,
    }),
  };
  const environment = { ...fake.environment, transport: both };
  const client = createClient({ ...environment, seeds: ['a:1', 'b:1'] });
  await fake.clock.run(client.ready());
  const settled = Promise.allSettled([client.append('x', { timeoutMs: 5000 })]);
  await fake.clock.pass(2);
  await other.clock.pass(2);
  const [result] = await fake.clock.run(settled);
  t.match(result, { status: 'rejected', reason: { code: 'WRONG_CLUSTER' } });
  await t.rejects(fake.clock.run(client.ready()), { code: 'WRONG_CLUSTER' });
  await fake.clock.run(client.close());
});

t.test('the cluster that is named is the only one', async (t) => {
  const fake = new FakeCluster(3, 'c1');
  const client = createClient({ ...fake.environment, seeds: ['n1:7600'], clusterId: 'c2' });
  await t.rejects(fake.clock.run(client.ready()), { code: 'WRONG_CLUSTER' });
  await fake.clock.run(client.close());
});

t.test('the end is the end of the whole log, whoever is asked', async (t) => {
  const fake = new FakeCluster(3);
  const client = clientOf(fake);
  const { end } = await fake.clock.run(client.append('a'));
  fake.setLeader('n2');
  const { end: whole, dataEnd } = await fake.clock.run(client.end());
  t.equal(whole, fake.log.end);
  t.equal(dataEnd, end);
  for (const node of fake.nodes) node.endMax = 100;
  t.equal((await fake.clock.run(client.end({ linearizable: false }))).end, 100);
  fake.node('n1').health = 'stopped';
  t.equal((await fake.clock.run(client.end())).end, whole);
  for (const node of fake.nodes) node.health = 'stopped';
  const late = await fake.clock.run(client.end({ timeoutMs: 3000 }).catch((e: Error) => e));
  t.match(late, {
    code: 'DEADLINE',
    message: /last: DEADLINE the end of the log at node n\d: not done/,
  });
  await fake.clock.run(client.close());
});

t.test('status tells of every node, and which do not answer', async (t) => {
  const fake = new FakeCluster(3);
  const client = clientOf(fake);
  await fake.clock.run(client.append('a'));
  fake.node('n2').health = 'down';
  fake.node('n3').health = 'stopped';
  const before = fake.clock.monotonicMs();
  const status = await fake.clock.run(client.status({ timeoutMs: 500 }));
  t.equal(fake.clock.monotonicMs() - before, 500);
  t.match(status, { clusterId: 'c1', leader: 'n1', term: fake.term });
  t.match(status.nodes, [
    { id: 'n1', address: 'n1:7600', reachable: true, commitOffset: fake.log.end },
    { id: 'n2', address: 'n2:7600', reachable: false, error: { code: 'UNAVAILABLE' } },
    { id: 'n3', address: 'n3:7600', reachable: false, error: { code: 'DEADLINE' } },
  ]);
  const one = await fake.clock.run(client.status({ node: 'n1' }));
  t.strictSame(
    one.nodes.map(({ id }) => id),
    ['n1'],
  );
  await t.rejects(fake.clock.run(client.status({ node: 'n7' })), { code: 'UNKNOWN_NODE' });
  await fake.clock.run(client.close());
});

t.test('a node that nobody knew of when the client came is found later', async (t) => {
  const fake = new FakeCluster(3);
  fake.node('n3').health = 'down';
  fake.unknown.add('n3');
  const client = clientOf(fake);
  const isReachable = async () => {
    const { nodes } = await fake.clock.run(client.status());
    return nodes.map(({ reachable }) => reachable);
  };
  t.same(await isReachable(), [true, true, false]);
  fake.node('n3').health = 'up';
  await isReachable();
  await fake.clock.pass(10);
  t.same(await isReachable(), [true, true, true]);
  await fake.clock.run(client.close());
});

t.test('leadership is handed over by the leader, wherever it is', async (t) => {
  const fake = new FakeCluster(3);
  const client = clientOf(fake);
  await fake.clock.run(client.ready());
  fake.setLeader('n3');
  t.match(await fake.clock.run(client.transfer('n2')), { leader: 'n2', term: fake.term });
  t.equal(fake.leaderId, 'n2');
  await t.rejects(fake.clock.run(client.transfer('n4')), { code: 'UNKNOWN_NODE' });
  await fake.clock.run(client.append('goes on'));
  await fake.clock.run(client.close());
});

t.test('close waits for what was handed in, then ends everything', async (t) => {
  const fake = new FakeCluster(3);
  const client = clientOf(fake);
  const writer = client.writer();
  const ticket = await fake.clock.run(writer.write('written'));
  const appended = client.append('appended');
  await fake.clock.run(client.close());
  await fake.clock.run(ticket.durable);
  await fake.clock.run(appended);
  t.equal(entriesIn(fake).length, 2);
  await t.rejects(client.append('x'), { code: 'CLOSED' });
  await t.rejects(client.end(), { code: 'CLOSED' });
  await t.rejects(writer.write('x'), { code: 'CLOSED' });
  t.throws(() => client.writer(), { code: 'CLOSED' });
  await t.rejects(fake.clock.run(collect(client.read())), { code: 'CLOSED' });
});

t.test('close settles when nobody answers, and so does every call', async (t) => {
  const fake = new FakeCluster(3);
  const client = clientOf(fake);
  await fake.clock.run(client.append('a'));
  for (const node of fake.nodes) node.health = 'stopped';
  const appended = t.rejects(client.append('b'), { code: 'CLOSED', outcome: 'unknown' });
  const end = t.rejects(client.end(), { code: 'CLOSED' });
  const before = fake.clock.monotonicMs();
  await fake.clock.run(client.close({ timeoutMs: 400 }));
  t.equal(fake.clock.monotonicMs() - before, 400);
  await fake.clock.run(appended);
  await fake.clock.run(end);
});

t.test('a node in this process is reached without a network', async (t) => {
  const fake = new FakeCluster(3);
  const asked: string[] = [];
  const network: Transport = {
    open: (address) => {
      asked.push(address);
      return fake.transport.open(address);
    },
  };
  const transport = withLocalNode('n1:7600', fake.node('n1'), network);
  const client = createClient({ ...fake.environment, transport, seeds: ['n1:7600'] });
  await fake.clock.run(client.append('a'));
  t.strictSame(asked.toSorted(), ['n2:7600', 'n3:7600']);
  await fake.clock.run(client.close());
});
