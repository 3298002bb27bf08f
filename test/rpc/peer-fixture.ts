/** Nodes that keep what they hear, over real sockets. */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { systemClock, systemRandom } from '../../proto/system.js';
import { quiet } from '../../server/logger.js';
import type { PeerHandlers, PeerMessage } from '../../server/peers.js';
import type { WebSocketPeersOptions } from '../../server/rpc/peer-options.js';
import { WebSocketPeers } from '../../server/rpc/peer-transport.js';
import { until } from './grpc-fixture.js';

export const loopback = { host: '127.0.0.1', port: 0 };
export const clusterId = 'cluster-1';

/** Keeps what a node hears, and the links that are up. */
export class RecordedNode implements PeerHandlers {
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

export function options(
  nodeId: string,
  changes: Partial<WebSocketPeersOptions> = {},
): WebSocketPeersOptions {
  return {
    clusterId,
    nodeId,
    incarnation: 1,
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
 * Starts these nodes. They listen before any of them starts, which is when a transport looks at
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
      return { id, transport, node: new RecordedNode() };
    }),
  );
  for (const [index, from] of ids.entries()) {
    for (const { id, transport } of started) {
      if (id !== from) peers[index]?.set(id, route(from, id, transport.address));
    }
  }
  for (const { transport, node } of started) transport.start(node);
  return started;
}

/** Starts two nodes and waits for both links. */
export async function startPair(t: Teardown, route?: Route) {
  const [a, b] = await startAll(t, ['a', 'b'], undefined, route);
  if (a === undefined || b === undefined) throw new Error('two nodes were started');
  await until(() => a.node.up.has('b') && b.node.up.has('a'));
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
