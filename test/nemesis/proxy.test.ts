import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { parseHostPort } from '../../server/options.js';
import { until } from '../node/cluster.js';
import { open, Proxy } from './proxy.js';

/** Long enough for bytes on loopback that are not held back. */
const momentMs = 100;

class End {
  received = '';
  isOver = false;
  readonly socket: Socket;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (bytes: Buffer) => (this.received += bytes.toString('latin1')));
    socket.on('error', () => undefined); // told by 'close'
    socket.on('end', () => (this.isOver = true));
    socket.on('close', () => (this.isOver = true));
  }

  has(text: string): Promise<void> {
    return until(`'${text}'`, () => this.received === text);
  }
}

/** A proxy, and both ends of one connection through it. */
async function linked(test: Pick<typeof t, 'teardown'>) {
  const server = createServer({ allowHalfOpen: true });
  server.on('connection', (socket) => socket.on('error', () => undefined));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const proxy = await Proxy.listen({ host: '127.0.0.1', port });
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const near = new End(dial(proxy));
  const [socket] = await accepted;
  const far = new End(socket);
  test.teardown(async () => {
    near.socket.destroy();
    far.socket.destroy();
    await proxy.close();
    await new Promise((resolve) => server.close(resolve));
  });
  return { proxy, near, far };
}

function dial(proxy: Proxy): Socket {
  return connect({ ...parseHostPort('a proxy', proxy.address), allowHalfOpen: true });
}

t.test('bytes pass in both directions, and so do the ends of streams', async (t) => {
  const { near, far } = await linked(t);
  near.socket.write('question');
  await far.has('question');
  near.socket.end();
  await once(far.socket, 'end');
  far.socket.end('answer');
  await near.has('answer');
  await until('the end', () => near.isOver && far.isOver);
});

t.test('what is held arrives when the direction is open again, in order', async (t) => {
  const { proxy, near, far } = await linked(t);
  proxy.set('forward', { type: 'held' });
  near.socket.write('a');
  await sleep(momentMs);
  near.socket.write('b');
  far.socket.write('the other direction');
  await near.has('the other direction');
  t.equal(far.received, '');
  proxy.set('forward', open);
  near.socket.write('c');
  await far.has('abc');
});

t.test('a held direction takes in no more than it may', async (t) => {
  const { proxy, near } = await linked(t);
  proxy.set('forward', { type: 'held' });
  let taken = 0;
  const chunk = Buffer.alloc(2 ** 20);
  for (let i = 0; i < 64; i += 1) near.socket.write(chunk, () => (taken += 1));
  await sleep(5 * momentMs);
  t.ok(taken < 64, `${taken} of 64 MiB`);
});

t.test('what is discarded never arrives, and its connection ends with the fault', async (t) => {
  const { proxy, near, far } = await linked(t);
  proxy.set('forward', { type: 'discarded' });
  near.socket.write('lost');
  await sleep(momentMs);
  t.notOk(near.isOver, 'nobody notices');
  far.socket.write('back');
  await near.has('back');
  proxy.set('forward', open);
  await until('the end', () => near.isOver && far.isOver);
  t.equal(far.received, '');
});

t.test('a connection of which nothing was discarded outlives the fault', async (t) => {
  const { proxy, near, far } = await linked(t);
  proxy.set('forward', { type: 'discarded' });
  proxy.set('forward', open);
  near.socket.write('whole');
  await far.has('whole');
});

t.test('what is delayed keeps its order and comes no sooner', async (t) => {
  const { proxy, near, far } = await linked(t);
  const delayMs = 150;
  proxy.set('forward', { type: 'delayed', delayMs });
  const startedAt = performance.now();
  near.socket.write('a');
  await sleep(20);
  near.socket.write('b');
  await until('a first byte', () => far.received !== '');
  t.ok(performance.now() - startedAt >= delayMs - 1);
  proxy.set('forward', open);
  near.socket.write('c');
  await far.has('abc');
});

t.test('a closed link ends its connections and takes no others', async (t) => {
  const { proxy, near, far } = await linked(t);
  proxy.set('backward', { type: 'closed' });
  await until('the end', () => near.isOver && far.isOver);
  const second = new End(dial(proxy));
  await until('the end of the second', () => second.isOver);
});
