/** The client over real sockets: the nodes are fakes, the way to them is not. */
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import type { Test } from 'tap';
import { connect } from '../../client/connect.js';
import { quiet } from '../../server/logger.js';
import { GrpcServer } from '../../server/rpc/grpc-server.js';
import { systemClock } from '../../proto/system.js';
import { FakeCluster } from './fake-cluster.js';
import { collect, entriesIn, numbered } from './helpers.js';

async function unusedAddress(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return `127.0.0.1:${port}`;
}

function serve(fake: FakeCluster, id: string, port = 0): Promise<GrpcServer> {
  return GrpcServer.start(fake.node(id), { host: '127.0.0.1', port, logger: quiet });
}

async function served(t: Test): Promise<{ fake: FakeCluster; servers: GrpcServer[] }> {
  const fake = new FakeCluster(3, 'c1', systemClock);
  const servers: GrpcServer[] = [];
  for (const node of fake.nodes) {
    const server = await serve(fake, node.id);
    node.address = server.address;
    servers.push(server);
  }
  t.teardown(() => Promise.all(servers.map((server) => server.close(0))));
  return { fake, servers };
}

t.test('when nothing listens, each address is told with its reason', async (t) => {
  const [one, two] = [await unusedAddress(), await unusedAddress()];
  const error = await connect(`${one},${two}`, { timeoutMs: 3000 }).catch((e: Error) => e);
  t.match(error, { code: 'UNAVAILABLE', outcome: 'none' });
  t.match((error as Error).message, new RegExp(`${one}: .*ECONNREFUSED.*; ${two}: .*ECONNREFUSED`));
  await t.rejects(connect('localhost'), { code: 'INVALID_ARGUMENT' });
  await t.rejects(connect([]), { code: 'INVALID_ARGUMENT' });
  await t.rejects(connect(one, { signal: AbortSignal.abort() }), { code: 'CANCELLED' });
});

t.test('appends, writers, readers and questions work over gRPC', async (t) => {
  const { fake } = await served(t);
  const client = await connect(fake.node('n2').address);
  const { end } = await client.append(['a', 'b'], { expect: 0 });
  await t.rejects(client.append('c', { expect: end - 1 }), { code: 'CONDITION_FAILED', end });
  const writer = client.writer();
  for (const entry of numbered(2000)) await writer.write(entry);
  await writer.write(Buffer.alloc(2 ** 24 - 1, 'x'));
  await writer.close();
  const entries = await collect(client.read());
  t.strictSame(
    entries.slice(0, -1).map(({ data }) => data.toString()),
    ['a', 'b', ...numbered(2000)],
  );
  t.equal(entries.at(-1)?.data.length, 2 ** 24 - 1);
  t.equal((await client.end()).end, fake.log.end);
  t.equal((await client.transfer('n3')).leader, 'n3');
  const status = await client.status();
  t.strictSame(
    status.nodes.map(({ reachable }) => reachable),
    [true, true, true],
  );
  t.equal(status.leader, 'n3');
  const page = await client.readPage({ offset: 0, limit: 1 });
  t.equal(page.batches.length, page.next);
  await client.close();
});

t.test('a reader that leaves its loop leaves no stream behind', async (t) => {
  const { fake } = await served(t);
  const client = await connect(fake.nodes.map(({ address }) => address));
  await client.append('a');
  for await (const entry of client.read({ follow: true })) {
    t.equal(entry.data.toString(), 'a');
    break;
  }
  const openTails = () => fake.nodes.reduce((sum, node) => sum + node.openTails, 0);
  while (openTails() > 0) await new Promise((resolve) => systemClock.after(5, () => resolve(0)));
  await client.close();
});

t.test('a server that goes away and comes back loses and repeats nothing', async (t) => {
  const { fake, servers } = await served(t);
  const client = await connect(fake.nodes.map(({ address }) => address));
  const writer = client.writer({ batchBytes: 2000 });
  const tickets = [];
  for (const [index, entry] of numbered(3000).entries()) {
    tickets.push(await writer.write(entry));
    if (index === 1000) {
      await tickets[500]?.durable;
      await servers[0]?.close(0);
      fake.setLeader('n2');
    }
    if (index === 2000) {
      const port = Number(fake.node('n1').address.split(':')[1]);
      servers.push(await serve(fake, 'n1', port));
      fake.setLeader('n1');
    }
  }
  await writer.flush();
  t.strictSame(entriesIn(fake), numbered(3000));
  await client.close();
});
