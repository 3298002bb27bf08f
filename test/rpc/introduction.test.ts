/** How a node that has lost its identity learns from the others which cluster it belongs to. */
import { request } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import t from 'tap';
import { systemClock } from '../../proto/system.js';
import type { Logger } from '../../server/logger.js';
import { quiet } from '../../server/logger.js';
import {
  decodeIntroduction,
  encodeIntroduction,
  requestIntroduction,
} from '../../server/rpc/introduction.js';
import type { Cluster, WebSocketPeersOptions } from '../../server/rpc/peer-options.js';
import { WebSocketPeers } from '../../server/rpc/peer-transport.js';
import { until } from './grpc-fixture.js';
import { cluster, loopback, options, startPair } from './peer-fixture.js';

interface Teardown {
  teardown(run: () => void | Promise<void>): void;
}

const { clusterId: _, ...introduction } = cluster;

/** A node that listens and has not started. */
async function listening(
  t: Teardown,
  changes: Partial<WebSocketPeersOptions> = {},
): Promise<WebSocketPeers> {
  const transport = await WebSocketPeers.listen(options('b', changes));
  t.teardown(() => transport.close());
  return transport;
}

/** A server that answers everybody with these bytes, or with nothing, and where it listens. */
async function answering(t: Teardown, bytes: string | undefined): Promise<string> {
  const server = createTcpServer((socket) => {
    socket.on('error', () => {}).resume();
    t.teardown(() => void socket.destroy());
    if (bytes !== undefined) socket.end(bytes);
  });
  await new Promise<void>((resolve) => server.listen(loopback, resolve));
  t.teardown(() => void server.close());
  return `127.0.0.1:${(server.address() as { port: number }).port}`;
}

function ask(addresses: readonly string[], logger: Logger = quiet, signal?: AbortSignal) {
  return requestIntroduction({
    peers: new Map(addresses.map((address, i) => [`n${i}`, address])),
    clock: systemClock,
    logger,
    signal: signal ?? new AbortController().signal,
  });
}

const okHead = 'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n';

t.test('a node that knows its cluster introduces it, before it starts and behind', async (t) => {
  const early = await listening(t);
  t.same(await ask([early.address]), introduction);
  const { a, b } = await startPair(t);
  t.same(await ask([a.transport.address, b.transport.address]), introduction);
  t.strictSame(a.node.linkChanges, ['b up'], 'and the links did not notice');
});

t.test('a node that does not know its cluster says so, until it does', async (t) => {
  const known: Cluster[] = [];
  const other = await listening(t, { cluster: () => known[0] });
  const problems: unknown[] = [];
  const logger = { ...quiet, warn: (fields: object) => void problems.push(fields) };
  const asking = ask([other.address], logger);
  await until(() => problems.length > 0);
  t.match(problems, [{ peer: 'n0', address: other.address, problem: /status 503/ }]);
  known.push(cluster);
  t.same(await asking, introduction);
});

t.test('nodes that cannot help are passed over, each reason logged once', async (t) => {
  const useless = await Promise.all([
    answering(t, undefined),
    answering(t, ''),
    answering(t, 'HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\nno'),
    answering(t, `${okHead}nonsense`),
    answering(t, `${okHead}{"clusterName":"orders"}`),
    answering(t, `${okHead}${' '.repeat(5000)}${encodeIntroduction(cluster)}`),
    answering(t, 'HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{'),
  ]);
  const known: Cluster[] = [];
  const helpful = await listening(t, { cluster: () => known[0] });
  const problems: string[] = [];
  const note = (fields: object) => {
    const { problem } = fields as { problem: string };
    problems.push(problem);
  };
  let repeated = 0;
  const logger = { ...quiet, warn: note, debug: () => (repeated += 1) };
  const asking = ask([...useless, '127.0.0.1:1', helpful.address], logger);
  await until(() => problems.length === 9);
  await until(() => repeated > 0);
  known.push(cluster);
  t.same(await asking, introduction);
  t.match(problems, [
    /no answer within 1000 ms/,
    /hang up/,
    /status 404/,
    /not JSON/,
    /members is no list of names/,
    /longer than 4096 bytes/,
    /aborted|closed/,
    /ECONNREFUSED/,
    /status 503/,
  ]);
});

t.test('asking ends when it is aborted, whatever it waits for', async (t) => {
  const silent = await answering(t, undefined);
  const refusing = await answering(t, 'HTTP/1.1 503 Later\r\nConnection: close\r\n\r\n');
  for (const [address, delayMs] of [
    [silent, 0],
    [silent, 100],
    [refusing, 100],
  ] as const) {
    const controller = new AbortController();
    const asking = ask([address], quiet, controller.signal);
    if (delayMs === 0) controller.abort();
    else setTimeout(() => controller.abort(), delayMs);
    await t.rejects(asking, { code: 'SHUTTING_DOWN' });
  }
  const aborted = AbortSignal.abort();
  await t.rejects(ask([refusing], quiet, aborted), { code: 'SHUTTING_DOWN' });
});

t.test('only that question is answered over plain HTTP', async (t) => {
  const { address } = await listening(t);
  for (const [method, path] of [
    ['GET', '/'],
    ['POST', '/introduction'],
    ['GET', '/introduction/more'],
  ]) {
    const status = await new Promise((resolve, reject) => {
      const sent = request(`http://${address}${path}`, { method, agent: false }, (response) => {
        response.resume().once('end', () => resolve(response.statusCode));
      });
      sent.on('error', reject).end();
    });
    t.equal(status, 426, `${method} ${path}`);
  }
});

t.test('an introduction is read as strictly as it is written', async (t) => {
  t.same(decodeIntroduction(encodeIntroduction(cluster)), introduction);
  t.notMatch(encodeIntroduction(cluster), /clusterId/, 'whoever asks works that out itself');
  const refused: [unknown, RegExp][] = [
    [null, /not an object/],
    [{ ...introduction, clusterName: 7 }, /clusterName/],
    [{ ...introduction, clusterName: 'No Name' }, /clusterName/],
    [{ ...introduction, members: 'abc' }, /members/],
    [{ ...introduction, members: ['a', 2, 'c'] }, /members/],
    [{ ...introduction, members: [] }, /1 to 7 nodes, not 0/],
    [{ ...introduction, members: ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'] }, /1 to 7 nodes, not 8/],
    [{ ...introduction, members: ['b', 'a', 'c'] }, /not sorted/],
    [{ ...introduction, members: ['a', 'a', 'c'] }, /twice/],
    [{ ...introduction, segmentBytesMax: 1.5 }, /segmentBytesMax/],
    [{ ...introduction, segmentBytesMax: 0 }, /segmentBytesMax/],
  ];
  for (const [value, reason] of refused) {
    t.throws(() => decodeIntroduction(JSON.stringify(value)), {
      code: 'INVALID_ARGUMENT',
      message: reason,
    });
  }
});
