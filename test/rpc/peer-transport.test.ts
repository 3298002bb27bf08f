import { once } from 'node:events';
import t from 'tap';
import { WebSocket } from 'ws';
import type { Clock } from '../../proto/clock.js';
import { systemClock } from '../../proto/system.js';
import { quiet } from '../../server/logger.js';
import type { PeerMessage } from '../../server/peers.js';
import { encodePeerHello, encodePeerMessage } from '../../server/rpc/peer-codec.js';
import { WebSocketPeers } from '../../server/rpc/peer-transport.js';
import { until } from './grpc-fixture.js';
import {
  cluster,
  connectTo,
  options,
  RecordedNode,
  startAll,
  startPair,
  startProxied,
} from './peer-fixture.js';

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

const hello = {
  protocolVersion: 4,
  clusterId: cluster.clusterId,
  nodeId: 'b',
  clientAddress: '',
  incarnation: 1,
  process: 1,
  startTerm: 3,
  term: 3,
  durableOffset: 4096,
};

t.test('three nodes hear each other, in order, and learn where clients are served', async (t) => {
  const nodes = await startAll(t, ['a', 'b', 'c']);
  await until(() => nodes.every(({ node }) => node.up.size + node.greetings.size === 4));
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
      t.same(node.greetings.get(other.id), other.node.state, 'and who they are');
      t.ok(messages.every(({ incarnation }) => incarnation === other.node.state.incarnation));
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
  t.strictSame(b.node.received, [{ from: 'a', incarnation: 1, message: heartbeat(2) }]);
});

t.test('a link that is cut is reported, dialled again, and carries messages again', async (t) => {
  const { proxy, a, b } = await startProxied(t);
  proxy.cut();
  await until(() => a.node.linkChanges.length === 3);
  t.strictSame(a.node.linkChanges, ['b up', 'b down', 'b up']);
  t.strictSame(b.node.linkChanges, ['a up'], 'the other direction stayed');
  a.transport.send('b', heartbeat(3));
  await until(() => b.node.received.length === 1);
  t.strictSame(b.node.received, [{ from: 'a', incarnation: 1, message: heartbeat(3) }]);
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
  t.strictSame(b.node.received.at(-1)?.message, heartbeat(4));
});

t.test('a node of another cluster is refused, and logged once', async (t) => {
  const warnings: { readonly id: string; readonly text: string }[] = [];
  const nodes = await startAll(t, ['a', 'b'], (id) => ({
    cluster: () => ({ ...cluster, clusterId: id === 'a' ? 'cluster-1' : 'cluster-2' }),
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
  const reasons: string[] = [];
  const logger = {
    ...quiet,
    warn: (fields: object) => void reasons.push(JSON.stringify(fields)),
  };
  // Node x listens where a expects b; x itself knows a.
  const peersOfA = new Map<string, string>();
  const [a, x] = await startAll(
    t,
    ['a', 'x'],
    (id) => ({ logger, ...(id === 'a' && { peers: peersOfA }) }),
    (_from, to, address) => {
      if (to === 'x') peersOfA.set('b', address);
      return address;
    },
  );
  await until(() => reasons.some((reason) => reason.includes('node x is not of this cluster')));
  await until(() => reasons.some((reason) => reason.includes('node x answers at that address')));
  t.strictSame([...(a?.node.up ?? [])], []);
  t.strictSame([a?.node.received, x?.node.received], [[], []]);
});

t.test('a second connection of a node takes the place of the first', async (t) => {
  const peers = new Map([['b', '127.0.0.1:1']]);
  const [a] = await startAll(t, ['a'], () => ({ peers }));
  if (a === undefined) throw new Error('one node was started');
  const dial = async () => {
    const websocket = new WebSocket(`ws://${a.transport.address}`);
    await once(websocket, 'open');
    websocket.send(encodePeerHello(hello));
    await once(websocket, 'message');
    return websocket;
  };
  const first = await dial();
  const firstClosed = once(first, 'close');
  const second = await dial();
  await firstClosed;
  const message = once(second, 'message');
  a.transport.send('b', heartbeat(5));
  const [received] = await message;
  t.ok(encodePeerMessage(heartbeat(5)).equals(received as Buffer));
  t.strictSame(a.node.linkChanges, ['b up', 'b down', 'b up']);
  t.equal(a.node.up.get('b'), 1);
});

t.test('a node that restarts its links comes back as what it has become', async (t) => {
  const [a, b, c] = await startAll(t, ['a', 'b', 'c']);
  if (a === undefined || b === undefined || c === undefined) throw new Error('three were started');
  await until(() => [a, b, c].every(({ node }) => node.up.size === 2));
  for (let round = 1; round <= 3; round += 1) {
    a.node.state = {
      incarnation: 1000 + round,
      process: 1,
      startTerm: 9,
      term: 10 + round,
      durableOffset: round,
    };
    const callsBefore = a.node.calls;
    a.transport.restart();
    t.equal(a.node.calls, callsBefore, 'no handler is called from within');
    a.transport.send('b', heartbeat(0));
    await until(() => a.node.linkChanges.length === 2 + 4 * round);
    await until(() => [b, c].every(({ node }) => node.linkChanges.length === 2 + 2 * round));
    const isGreeted = ({ node }: { node: typeof b.node }) =>
      node.greetings.get('a')?.incarnation === a.node.state.incarnation;
    await until(() => [b, c].every(isGreeted));
    t.same(b.node.greetings.get('a'), a.node.state);
    t.same(c.node.greetings.get('a'), a.node.state);
    await until(() => a.node.up.size === 2);
    a.transport.send('b', heartbeat(round));
    await until(() => b.node.received.length === round);
    const { incarnation } = a.node.state;
    t.same(b.node.received.at(-1), { from: 'a', incarnation, message: heartbeat(round) });
    b.transport.send('a', heartbeat(round));
    await until(() => a.node.received.length === round);
  }
  t.strictSame(b.node.greetings.get('c'), c.node.state, 'the links of the others stayed');
});

t.test('a node that restarts its links does not wait until it would have dialled', async (t) => {
  const problems: object[] = [];
  const logger = { ...quiet, warn: (fields: object) => void problems.push(fields) };
  // The time to dial again never comes.
  const after: Clock['after'] = (delayMs, run) =>
    delayMs > 0 && delayMs < 2000 ? { cancel: () => {} } : systemClock.after(delayMs, run);
  const a = await WebSocketPeers.listen(options('a', { peers: new Map([['b', '127.0.0.1:1']]) }));
  t.teardown(() => a.close());
  const peers = new Map([['a', a.address]]);
  const b = await WebSocketPeers.listen(
    options('b', { peers, logger, clock: { ...systemClock, after } }),
  );
  t.teardown(() => b.close());
  const state = { incarnation: 1, process: 1, startTerm: 0, term: 0, durableOffset: 0 };
  const [nodeA, nodeB] = [new RecordedNode(state), new RecordedNode(state)];
  b.start(nodeB, () => state);
  await until(() => problems.length === 1);
  t.match(problems, [{ peer: 'a', problem: /426/ }], 'a listens, and has not started');
  a.start(nodeA, () => state);
  b.restart();
  await until(() => nodeA.up.has('b'));
  b.restart();
  await until(() => nodeA.linkChanges.length === 3);
  t.strictSame(nodeA.linkChanges, ['b up', 'b down', 'b up']);
});

t.test('what is no hello is refused with a reason', async (t) => {
  const { a } = await startPair(t);
  const refused = [
    { bytes: Buffer.from('garbage'), reason: /no hello/ },
    { bytes: encodePeerMessage(heartbeat(1)), reason: /no hello/ },
    { bytes: encodePeerHello({ ...hello, protocolVersion: 1 }), reason: /peer protocol 1/ },
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
  for (const bytes of [
    Buffer.alloc(100_000, 0xff),
    Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'),
  ]) {
    const socket = connectTo(a.transport.address).on('error', () => {});
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
  const taken = options('c', { listen: { host: '127.0.0.1', port } });
  await t.rejects(WebSocketPeers.listen(taken), {
    code: 'ADDRESS_IN_USE',
    message: new RegExp(a.transport.address),
  });
  const nowhere = options('c', { peers: new Map([['d', 'not an address']]) });
  await t.rejects(WebSocketPeers.listen(nowhere), { code: 'CONFIG_INVALID', message: /node d/ });
});

t.test('closing leaves nothing open and calls no handler', async (t) => {
  const { a, b } = await startPair(t);
  const callsBefore = a.node.calls;
  const idle = connectTo(a.transport.address);
  const idleClosed = once(idle, 'close');
  await once(idle, 'connect');
  await a.transport.close();
  await idleClosed;
  await until(() => b.node.linkChanges.includes('a down'));
  t.equal(a.node.calls, callsBefore);
  await b.transport.close();
  await until(() => !process.getActiveResourcesInfo().some((name) => name.startsWith('TCP')));
});
