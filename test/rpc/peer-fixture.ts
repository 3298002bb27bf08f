/** Nodes that keep what they hear, over real sockets. */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { systemClock, systemRandom } from '../../proto/system.js';
import { quiet } from '../../server/logger.js';
import type { PeerHandlers, PeerMessage } from '../../server/peers.js';
import type { PeerState } from '../../server/raft/types.js';
import type { Cluster, WebSocketPeersOptions } from '../../server/rpc/peer-options.js';
import { WebSocketPeers } from '../../server/rpc/peer-transport.js';
import { until } from './grpc-fixture.js';

export const loopback = { host: '127.0.0.1', port: 0 };
export const cluster: Cluster = {
  clusterId: 'cluster-1',
  clusterName: 'orders',
  members: ['a', 'b', 'c'],
  segmentBytesMax: 2 ** 20,
};

/** Keeps what a node hears, and the links that are up; what it says of itself can be set. */
export class RecordedNode implements PeerHandlers {
  state: PeerState;
  readonly received: Received[] = [];
  readonly linkChanges: string[] = [];
  readonly up = new Map<string, number>();
  readonly greetings = new Map<string, PeerState>();
  readonly addresses = new Map<string, string>();
  calls = 0;

  constructor(state: PeerState) {
    this.state = state;
  }

  onMessage(from: string, incarnation: number, message: PeerMessage): void {
    this.calls += 1;
    this.received.push({ from, incarnation, message });
  }

  onLink(peer: string, incarnation: number | null): void {
    this.calls += 1;
    this.linkChanges.push(`${peer} ${incarnation === null ? 'down' : 'up'}`);
    if (incarnation === null) this.up.delete(peer);
    else this.up.set(peer, incarnation);
  }

  onGreeting(peer: string, state: PeerState): void {
    this.calls += 1;
    this.greetings.set(peer, state);
  }

  onAddress(peer: string, clientAddress: string): void {
    this.calls += 1;
    this.addresses.set(peer, clientAddress);
  }
}

interface Received {
  readonly from: string;
  readonly incarnation: number;
  readonly message: PeerMessage;
}

export function options(
  nodeId: string,
  changes: Partial<WebSocketPeersOptions> = {},
): WebSocketPeersOptions {
  return {
    nodeId,
    cluster: () => cluster,
    clientAddress: () => `clients-of-${nodeId}:1`,
    listen: loopback,
    peers: new Map(),
    clock: systemClock,
    random: systemRandom,
    logger: quiet,
    inflightBytesMax: 2 ** 20,
    messageBytesMax: 2 ** 24,
    ...changes,
  };
}

export interface Started {
  readonly id: string;
  readonly transport: WebSocketPeers;
  readonly node: RecordedNode;
}

interface Teardown {
  teardown(run: () => void | Promise<void>): void;
}

type Changes = (id: string) => Partial<WebSocketPeersOptions>;
/** Where `from` finds `to`, which listens at `address`. */
type Route = (from: string, to: string, address: string) => string;

/**
 * Starts these nodes, the n-th as incarnation n of itself. They listen before any of them starts, which is when a transport looks at
 * its peers: so the system can choose the ports.
 */
export async function startAll(
  t: Teardown,
  ids: readonly string[],
  changes: Changes = () => ({}),
  route: Route = (_from, _to, address) => address,
): Promise<Started[]> {
  const peers = ids.map(() => new Map<string, string>());
  const started = await Promise.all(
    ids.map(async (id, index): Promise<Started> => {
      const own = { peers: peers[index] as Map<string, string>, ...changes(id) };
      const transport = await WebSocketPeers.listen(options(id, own));
      t.teardown(() => transport.close());
      const state = {
        incarnation: index + 1,
        process: 2 ** 48 - 1 - index,
        startTerm: 9,
        term: 10,
        durableOffset: 2 ** 53 - 1,
      };
      return { id, transport, node: new RecordedNode(state) };
    }),
  );
  for (const [index, from] of ids.entries()) {
    for (const { id, transport } of started) {
      if (id !== from) peers[index]?.set(id, route(from, id, transport.address));
    }
  }
  for (const { transport, node } of started) transport.start(node, () => node.state);
  return started;
}

/** Starts two nodes and waits for both links. */
export async function startPair(t: Teardown, route?: Route) {
  const [a, b] = await startAll(t, ['a', 'b'], undefined, route);
  if (a === undefined || b === undefined) throw new Error('two nodes were started');
  await until(() => [a.node, b.node].every((node) => node.up.size + node.greetings.size === 2));
  return { a, b };
}

/** Two nodes, where `b` reaches `a` through a proxy: what `a` sends goes through it. */
export async function startProxied(t: Teardown) {
  const proxy = new Proxy();
  t.teardown(() => proxy.close());
  const proxied = await proxy.listen();
  const pair = await startPair(t, (from, _to, address) => {
    if (from === 'a') return address;
    proxy.target = address;
    return proxied;
  });
  return { proxy, ...pair };
}

/** A proxy in front of an address, whose connections a test can cut or let hang. */
class Proxy {
  readonly #server: Server;
  /** `host:port` of what is behind it. */
  target = '';
  readonly #sockets = new Set<Socket>();

  constructor() {
    this.#server = createServer((incoming) => {
      const outgoing = connectTo(this.target);
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

export function connectTo(address: string): Socket {
  const { hostname, port } = new URL(`tcp://${address}`);
  return connect(Number(port), hostname);
}
