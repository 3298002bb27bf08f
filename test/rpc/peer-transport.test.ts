import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import t from 'tap';
import { WebSocket } from 'ws';
import { systemClock, systemRandom } from '../../proto/system.js';
import { quiet } from '../../server/logger.js';
import type { PeerHandlers, PeerMessage } from '../../server/peers.js';
import { encodePeerHello, encodePeerMessage } from '../../server/rpc/peer-codec.js';
import type { WebSocketPeersOptions } from '../../server/rpc/peer-options.js';
import { WebSocketPeers } from '../../server/rpc/peer-transport.js';
import { until } from './grpc-fixture.js';

const loopback = { host: '127.0.0.1', port: 0 };
const clusterId = 'cluster-1';

/** Keeps what a node hears, and the links that are up. */
class RecordedNode implements PeerHandlers {
  readonly received: { readonly from: string; readonly message: PeerMessage }[] = [];
  readonly linkChanges: string[] = [];
  readonly up = new Set<string>();
  readonly addresses = new Map<string, string>();
  calls = 0;

  onMessage(from: string, message: PeerMessage): void {
    this.calls += 1;
    this.received.push({ from, message });
  }

  onLink(peer: string, up: boolean): void {
    this.calls += 1;
    this.linkChanges.push(`${peer} ${up ? 'up' : 'down'}`);
    if (up) this.up.add(peer);
    else this.up.delete(peer);
  }

  onAddress(peer: string, clientAddress: string): void {
    this.calls += 1;
    this.addresses.set(peer, clientAddress);
  }
}

function options(
  nodeId: string,
  peers: Iterable<readonly [string, string]>,
  changes: Partial<WebSocketPeersOptions> = {},
): WebSocketPeersOptions {
  return {
    clusterId,
    nodeId,
    incarnation: 1,
    clientAddress: () => `clients-of-${nodeId}:1`,
    listen: loopback,
    peers: new Map(peers),
    clock: systemClock,
    random: systemRandom,
    logger: quiet,
    inflightBytesMax: 2 ** 20,
    messageBytesMax: 2 ** 24,
    ...changes,
  };
}

interface Started {
  readonly id: string;
  readonly transport: WebSocketPeers;
  readonly node: RecordedNode;
}

interface Teardown {
  teardown(run: () => void | Promise<void>): void;
}

/** Ports that were free a moment ago, as every node must know the others' before it listens. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(loopback));
  return Promise.all(
    servers.map(async (server) => {
      await once(server, 'listening');
      const { port } = server.address() as { port: number };
      server.close();
      await once(server, 'close');
      return port;
    }),
  );
}

async function startOne(t: Teardown, startOptions: WebSocketPeersOptions): Promise<Started> {
  const transport = await WebSocketPeers.listen(startOptions);
  t.teardown(() => transport.close());
  const node = new RecordedNode();
  transport.start(node);
  return { id: startOptions.nodeId, transport, node };
}

async function startAll(
  t: Teardown,
  ids: readonly string[],
  changes: (id: string) => Partial<WebSocketPeersOptions> = () => ({}),
): Promise<Started[]> {
  const ports = await freePorts(ids.length);
  const addresses = ids.map((id, index) => [id, `127.0.0.1:${ports[index]}`] as const);
  return Promise.all(
    ids.map((id, index) =>
      startOne(
        t,
        options(
          id,
          addresses.filter(([other]) => other !== id),
          { listen: { host: '127.0.0.1', port: ports[index] as number }, ...changes(id) },
        ),
      ),
    ),
  );
}

async function startPair(t: Teardown, changes?: (id: string) => Partial<WebSocketPeersOptions>) {
  const [a, b] = await startAll(t, ['a', 'b'], changes);
  if (a === undefined || b === undefined) throw new Error('two nodes were started');
  await until(() => a.node.up.has('b') && b.node.up.has('a'));
  return { a, b };
}

const heartbeat = (round: number): PeerMessage => ({
  type: 'heartbeat',
  term: 1,
  commitOffset: 2 ** 53 - 1,
  round,
});

/** An inline batch of that many bytes. */
const bodies = (length: number): PeerMessage => ({
  type: 'bodies',
  term: 1,
  items: [{ type: 'inline', headerBytes: Buffer.alloc(96), body: Buffer.alloc(length, 7) }],
});

/** A proxy in front of an address, whose connections a test can cut or let hang. */
class Proxy {
  readonly #server: Server;
  readonly #target: () => number;
  readonly #sockets = new Set<Socket>();

  constructor(target: () => number) {
    this.#target = target;
    this.#server = createServer((incoming) => {
      const outgoing = connect(this.#target(), '127.0.0.1');
      for (const socket of [incoming, outgoing]) {
        this.#sockets.add(socket);
        socket.on('error', () => {}).on('close', () => this.#sockets.delete(socket));
      }
      incoming.pipe(outgoing).pipe(incoming);
      incoming.on('close', () => outgoing.destroy());
      outgoing.on('close', () => incoming.destroy());
    });
  }

  async listen(): Promise<string> {
    this.#server.listen(loopback);
    await once(this.#server, 'listening');
    return `127.0.0.1:${(this.#server.address() as { port: number }).port}`;
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Passes nothing on any more, and closes nothing. */
  hang(): void {
    for (const socket of this.#sockets) socket.unpipe().pause();
  }

  close(): void {
    this.cut();
    this.#server.close();
  }
}

/** Two nodes, where `b` reaches `a` through a proxy: what `a` sends goes through it. */
async function startProxied(t: Teardown) {
  const [portA, portB] = await freePorts(2);
  const proxy = new Proxy(() => portA as number);
  t.teardown(() => proxy.close());
  const proxied = await proxy.listen();
  const listenA = { host: '127.0.0.1', port: portA as number };
  const listenB = { host: '127.0.0.1', port: portB as number };
  const a = await startOne(t, options('a', [['b', `127.0.0.1:${portB}`]], { listen: listenA }));
  const b = await startOne(t, options('b', [['a', proxied]], { listen: listenB }));
  await until(() => a.node.up.has('b') && b.node.up.has('a'));
  return { proxy, a, b };
}

t.test('three nodes hear each other, in order, and learn where clients are served', async (t) => {
  const nodes = await startAll(t, ['a', 'b', 'c']);
  await until(() => nodes.every(({ node }) => node.up.size === 2));
  const count = 500;
  for (let round = 0; round < count; round += 1) {
    for (const from of nodes) {
      for (const to of nodes) {
        if (to !== from) from.transport.send(to.id, heartbeat(round));
      }
    }
  }
  await until(() => nodes.every(({ node }) => node.received.length === 2 * count));
  const expected = Array.from({ length: count }, (_, round) => heartbeat(round));
  for (const { id, node } of nodes) {
    for (const other of nodes.filter((candidate) => candidate.id !== id)) {
      const messages = node.received.filter(({ from }) => from === other.id);
      t.strictSame(
        messages.map(({ message }) => message),
        expected,
      );
      t.equal(node.addresses.get(other.id), `clients-of-${other.id}:1`);
    }
  }
});

t.test('a message of many megabytes arrives whole', async (t) => {
  const { a, b } = await startPair(t);
  const large = bodies(12 * 2 ** 20);
  a.transport.send('b', large);
  a.transport.send('b', heartbeat(1));
  await until(() => b.node.received.length === 2);
  t.strictSame(
    b.node.received.map(({ message }) => message),
    [large, heartbeat(1)],
  );
  t.strictSame(a.node.linkChanges, ['b up']);
});

t.test('a message to a node that is not there is dropped', async (t) => {
  const { a, b } = await startPair(t);
  a.transport.send('nobody', heartbeat(1));
  a.transport.send('b', heartbeat(2));
  await until(() => b.node.received.length === 1);
  t.strictSame(b.node.received, [{ from: 'a', message: heartbeat(2) }]);
});

t.test('a link that is cut is reported, dialled again, and carries messages again', async (t) => {
  const { proxy, a, b } = await startProxied(t);
  proxy.cut();
  await until(() => a.node.linkChanges.length === 3);
  t.strictSame(a.node.linkChanges, ['b up', 'b down', 'b up']);
  t.strictSame(b.node.linkChanges, ['a up'], 'the other direction stayed');
  a.transport.send('b', heartbeat(3));
  await until(() => b.node.received.length === 1);
  t.strictSame(b.node.received, [{ from: 'a', message: heartbeat(3) }]);
});

t.test('a link that goes silent without being closed is noticed', async (t) => {
  const { proxy, a } = await startProxied(t);
  proxy.hang();
  await until(() => a.node.linkChanges.length === 3);
  t.strictSame(a.node.linkChanges, ['b up', 'b down', 'b up']);
});

t.test('too much that waits for a peer cuts its link', async (t) => {
  const { proxy, a, b } = await startProxied(t);
  proxy.hang();
  const cut = () => a.node.linkChanges.includes('b down');
  const message = bodies(2 ** 20);
  let sent = 0;
  for (; !cut() && sent < 1000; sent += 1) {
    a.transport.send('b', message);
    await new Promise((resolve) => setImmediate(resolve));
  }
  t.ok(sent < 100, 'after its bound, and not when silence was noticed');
  await until(() => a.node.up.has('b'));
  a.transport.send('b', heartbeat(4));
  await until(() => b.node.received.length > 0);
  t.strictSame(b.node.received.at(-1), { from: 'a', message: heartbeat(4) });
});

t.test('a node of another cluster is refused, and logged once', async (t) => {
  const warnings: { readonly id: string; readonly text: string }[] = [];
  const nodes = await startAll(t, ['a', 'b'], (id) => ({
    clusterId: id === 'a' ? 'cluster-1' : 'cluster-2',
    logger: {
      ...quiet,
      warn: (fields, message) =>
        void warnings.push({ id, text: `${message} ${JSON.stringify(fields)}` }),
    },
  }));
  const refusals = () => warnings.filter(({ text }) => text.includes('another cluster'));
  await until(() => refusals().length >= 4);
  await new Promise((resolve) => setTimeout(resolve, 500));
  t.equal(refusals().length, 4, 'each side says once what it refused, and why it was refused');
  t.match(refusals()[0]?.text, /cluster-1.*cluster-2|cluster-2.*cluster-1/);
  t.ok(nodes.every(({ node }) => node.calls === 0));
});

t.test('another node at the address of a peer is refused by both', async (t) => {
  const [portA, portX] = await freePorts(2);
  const listenA = { host: '127.0.0.1', port: portA as number };
  const listenX = { host: '127.0.0.1', port: portX as number };
  const reasons: string[] = [];
  const logger = {
    ...quiet,
    warn: (fields: object) => void reasons.push(JSON.stringify(fields)),
  };
  const a = await startOne(
    t,
    options('a', [['b', `127.0.0.1:${portX}`]], { listen: listenA, logger }),
  );
  const x = await startOne(
    t,
    options('x', [['a', `127.0.0.1:${portA}`]], { listen: listenX, logger }),
  );
  await until(() => reasons.some((reason) => reason.includes('node x is not of this cluster')));
  await until(() => reasons.some((reason) => reason.includes('node x answers at that address')));
  t.strictSame([...a.node.up], []);
  t.strictSame(a.node.received, []);
  t.strictSame(x.node.received, []);
});

t.test('a second connection of a node takes the place of the first', async (t) => {
  const [port] = await freePorts(1);
  const b = [['b', `127.0.0.1:${port}`]] as const;
  const { transport, node } = await startOne(t, options('a', b));
  const dial = async () => {
    const websocket = new WebSocket(`ws://${transport.address}`);
    await once(websocket, 'open');
    websocket.send(encodePeerHello({ ...hello, nodeId: 'b' }));
    await once(websocket, 'message');
    return websocket;
  };
  const first = await dial();
  const firstClosed = once(first, 'close');
  const second = await dial();
  await firstClosed;
  const message = once(second, 'message');
  transport.send('b', heartbeat(5));
  const [received] = await message;
  t.ok(encodePeerMessage(heartbeat(5)).equals(received as Buffer));
  t.strictSame(node.linkChanges, ['b up', 'b down', 'b up']);
});

const hello = {
  protocolVersion: 1,
  clusterId,
  nodeId: 'b',
  incarnation: 1,
  clientAddress: '',
};

t.test('what is no hello is refused with a reason', async (t) => {
  const { a } = await startPair(t);
  const refused = [
    { bytes: Buffer.from('garbage'), reason: /no hello/ },
    { bytes: encodePeerMessage(heartbeat(1)), reason: /no hello/ },
    { bytes: encodePeerHello({ ...hello, protocolVersion: 2 }), reason: /peer protocol 2/ },
    { bytes: encodePeerHello({ ...hello, clusterId: '€'.repeat(500) }), reason: /another cluster/ },
    { bytes: encodePeerHello({ ...hello, nodeId: 'a' }), reason: /this is node a itself/ },
    { bytes: encodePeerHello({ ...hello, nodeId: 'z' }), reason: /node z is not of this cluster/ },
  ];
  for (const { bytes, reason } of refused) {
    const websocket = new WebSocket(`ws://${a.transport.address}`);
    websocket.on('open', () => websocket.send(bytes));
    const [code, told] = await once(websocket, 'close');
    t.equal(code, 4001);
    t.match(String(told), reason);
  }
  t.strictSame(a.node.linkChanges, ['b up']);
});

t.test('garbage on the port harms nobody', async (t) => {
  const { a, b } = await startPair(t);
  const { port } = new URL(`ws://${a.transport.address}`);
  for (const bytes of [
    Buffer.alloc(100_000, 0xff),
    Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'),
  ]) {
    const socket = connect(Number(port), '127.0.0.1').on('error', () => {});
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.on('data', () => {}).write(bytes);
    await closed;
  }
  const tooLarge = new WebSocket(`ws://${a.transport.address}`).on('error', () => {});
  tooLarge.on('open', () => tooLarge.send(Buffer.alloc(100_000)));
  await once(tooLarge, 'close');
  const talkative = new WebSocket(`ws://${a.transport.address}`).on('error', () => {});
  talkative.on('open', () => {
    talkative.send(encodePeerHello(hello));
    talkative.send('more');
  });
  await once(talkative, 'close');
  await until(() => a.node.up.has('b'));
  a.transport.send('b', heartbeat(6));
  await until(() => b.node.received.length === 1);
});

t.test('an address in use, or one that is none, is named', async (t) => {
  const { a } = await startPair(t);
  const port = Number(a.transport.address.split(':')[1]);
  const taken = options('c', [], { listen: { host: '127.0.0.1', port } });
  await t.rejects(WebSocketPeers.listen(taken), {
    code: 'ADDRESS_IN_USE',
    message: new RegExp(a.transport.address),
  });
  const nowhere = options('c', [['d', 'not an address']]);
  await t.rejects(WebSocketPeers.listen(nowhere), { code: 'CONFIG_INVALID', message: /node d/ });
});

t.test('closing leaves nothing open and calls no handler', async (t) => {
  const { a, b } = await startPair(t);
  const callsBefore = a.node.calls;
  const idle = connect(Number(new URL(`ws://${a.transport.address}`).port), '127.0.0.1');
  const idleClosed = once(idle, 'close');
  await once(idle, 'connect');
  await a.transport.close();
  await idleClosed;
  await until(() => b.node.linkChanges.includes('a down'));
  t.equal(a.node.calls, callsBefore);
  await b.transport.close();
  await until(() => !process.getActiveResourcesInfo().some((name) => name.startsWith('TCP')));
});
