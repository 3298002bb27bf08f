import { createHash } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import t from 'tap';
import { grpcTransport } from '../../client/index.js';
import type { Connection } from '../../client/transport.js';
import { LogLogError } from '../../index.js';
import type { Page } from '../../proto/service.js';
import { everything, TestCluster, until } from './cluster.js';

t.test('pages of any limit join to one prefix, the same on all nodes', async (t) => {
  const cluster = await TestCluster.start(3, { segmentBytesMax: 65_536 });
  t.teardown(() => cluster.close());
  const client = await cluster.client();
  const writer = client.writer({ batchBytes: 2000 });
  for (let i = 0; i < 3000; i += 1) await writer.write(Buffer.alloc((i * 37) % 400, i % 251));
  await writer.close({ timeoutMs: 60_000 });
  await cluster.settled();
  const hashes = new Set<string>();
  for (const node of ['n1', 'n2', 'n3']) {
    for (const limit of [1, 97, 5000, 1_000_000]) {
      const bytes = await everything(client, node, limit);
      hashes.add(createHash('sha256').update(bytes).digest('hex'));
    }
  }
  t.equal(hashes.size, 1);
});

t.test('a page from inside a batch begins with that batch', async (t) => {
  const cluster = await TestCluster.start(1);
  t.teardown(() => cluster.close());
  const client = await cluster.client();
  const { offsets, end } = await client.append(['one', 'two', 'three']);
  const start = (offsets[0] ?? 0) - 96;
  for (const offset of [start, start + 1, offsets[2] ?? 0, end - 1]) {
    const page = await client.readPage({ offset, limit: 1, waitMs: 0 });
    t.equal(page.offset, start);
    t.equal(page.next, end);
  }
});

t.test('ten thousand waiters come and go, and wake once there is more', async (t) => {
  const cluster = await TestCluster.start(1);
  t.teardown(() => cluster.close());
  const node = await cluster.leader();
  const client = await cluster.client();
  const { end } = await client.append('before');
  const { signal: staying } = new AbortController();
  // HTTP/2 in Node.js takes a thousand calls cancelled at once on one connection for an attack.
  const connect = () => Array.from({ length: 20 }, () => grpcTransport.open(node.address));
  const wait = async (connections: Connection[], signal: AbortSignal) => {
    setMaxListeners(0, signal);
    const request = { offset: end, limit: 1000, waitMs: 300_000 };
    const waits = connections.flatMap(({ service }) =>
      Array.from({ length: 500 }, () => service.read(request, signal)),
    );
    // On each connection the calls before this one have arrived when it is answered.
    for (const { service } of connections) await service.status({}, staying);
    return waits;
  };
  const round = async () => {
    const connections = connect();
    const leaving = new AbortController();
    const waits = await wait(connections, leaving.signal);
    leaving.abort(new LogLogError('CANCELLED', 'leaving'));
    const outcomes = await Promise.allSettled(waits);
    t.ok(outcomes.every(({ status }) => status === 'rejected'));
    for (const connection of connections) connection.close();
  };
  await round();
  globalThis.gc?.();
  const before = process.memoryUsage().heapUsed;
  for (let i = 0; i < 3; i += 1) await round();
  globalThis.gc?.();
  const grown = process.memoryUsage().heapUsed - before;
  t.ok(grown < 40 * 2 ** 20, `the heap has grown by ${Math.round(grown / 2 ** 20)} MiB`);

  const connections = connect();
  t.teardown(() => connections.forEach((one) => one.close()));
  const waits = await wait(connections, staying);
  await client.append('more');
  const pages = await Promise.all(waits);
  t.ok(
    pages.every((page) => page.offset === end && page.batches.length > 0),
    'all ten thousand were woken by the one append',
  );
});

t.test('waiting readers lose no wake-up while others append', async (t) => {
  const cluster = await TestCluster.start(3);
  t.teardown(() => cluster.close());
  const client = await cluster.client();
  const count = 300;
  const readers = ['n1', 'n2', 'n3'].map(async (node) => {
    let seen = 0;
    for (let offset = 0; seen < count;) {
      const page: Page = await client.readPage({ offset, limit: 1, waitMs: 10_000, node });
      if (page.batches.length > 0 && page.batches.readUInt8(6) === 1) seen += 1;
      offset = page.next;
    }
    return seen;
  });
  for (let i = 0; i < count; i += 1) await client.append(`entry ${i}`);
  t.same(await Promise.all(readers), [count, count, count]);
});

t.test('a tail sends no more pages than it was given credits for', async (t) => {
  const cluster = await TestCluster.start(1);
  t.teardown(() => cluster.close());
  const node = await cluster.leader();
  const client = await cluster.client();
  for (let i = 0; i < 20; i += 1) await client.append(`entry ${i}`);
  const connection = grpcTransport.open(node.address);
  t.teardown(() => connection.close());
  const pages: Page[] = [];
  const tail = connection.service.tail(
    { offset: 0, limit: 1 },
    { onPage: (page) => void pages.push(page), onClose: () => undefined },
  );
  tail.credit(3);
  await until('three pages', () => pages.length === 3);
  await client.append('one more changes nothing');
  t.equal(pages.length, 3);
  tail.credit(2);
  await until('two more', () => pages.length === 5);
  tail.close();
});

t.test('a linearizable end includes every append that was acknowledged before', async (t) => {
  const cluster = await TestCluster.start(3);
  t.teardown(() => cluster.close());
  const client = await cluster.client();
  const signal = new AbortController().signal;
  const connections = cluster.addresses.map((address) => grpcTransport.open(address));
  t.teardown(() => connections.forEach((one) => one.close()));
  for (let i = 0; i < 100; i += 1) {
    const { end } = await client.append(`entry ${i}`);
    for (const { service } of connections) {
      const reply = await service.end({ linearizable: true }, signal);
      if (reply.end < end || reply.dataEnd < end) {
        t.fail(`end ${reply.end} after an append that ended at ${end}`);
      }
    }
  }
  t.pass('on all three nodes, a hundred times');
});
