/**
 * Links between nodes over WebSockets. Every node dials every other node, so two connections lie
 * between any two, and each carries messages one way only: from the node that accepted it to the
 * node that dialled it, because a WebSocket server need not mask what it sends.
 */
import {
  createServer,
  type IncomingMessage,
  type Server as HttpServer,
  type ServerResponse,
} from 'node:http';
import { assert, LogLogError } from '../../proto/errors.js';
import type { PeerHandlers, PeerMessage, PeerTransport } from '../peers.js';
import type { NodeId, PeerState } from '../raft/types.js';
import { encodeIntroduction, introductionPath } from './introduction.js';
import { listen } from './listen.js';
import { PeerAcceptor } from './peer-acceptor.js';
import { PeerDialler } from './peer-dialler.js';
import type { Cluster, WebSocketPeersOptions } from './peer-options.js';

/** Other nodes hold one each; the rest is for those that redial before the old one is gone. */
const peerConnectionsMax = 64;

/** For the HTTP request that asks for a WebSocket. */
const requestMsMax = 5_000;

export class WebSocketPeers implements PeerTransport {
  /** `host:port`, as really bound. */
  readonly address: string;
  readonly #http: HttpServer;
  readonly #options: WebSocketPeersOptions;
  #acceptor: PeerAcceptor | undefined;
  #diallers: readonly PeerDialler[] = [];

  private constructor(address: string, http: HttpServer, options: WebSocketPeersOptions) {
    this.address = address;
    this.#http = http;
    this.#options = options;
  }

  /**
   * Binds the address and introduces the cluster, if this node knows it, but makes no link yet.
   * Throws ADDRESS_IN_USE or CONFIG_INVALID.
   */
  static async listen(options: WebSocketPeersOptions): Promise<WebSocketPeers> {
    assert(!options.peers.has(options.nodeId), 'a node is no peer of itself');
    for (const [id, address] of options.peers) {
      if (URL.canParse(`ws://${address}`)) continue;
      throw new LogLogError('CONFIG_INVALID', `node ${id} cannot be at ${address}`);
    }
    const http = createServer(
      {
        headersTimeout: requestMsMax,
        requestTimeout: requestMsMax,
        connectionsCheckingInterval: requestMsMax,
      },
      (request, response) => answer(request, response, options.cluster()),
    );
    http.maxConnections = peerConnectionsMax;
    return new WebSocketPeers(await listen(http, options.listen, options.logger), http, options);
  }

  start(handlers: PeerHandlers, state: () => PeerState): void {
    assert(this.#acceptor === undefined, 'a transport is started once');
    const cluster = this.#options.cluster();
    assert(cluster !== undefined, 'who links to others knows its cluster');
    const options = { ...this.#options, clusterId: cluster.clusterId, state };
    this.#acceptor = new PeerAcceptor(this.#http, options, handlers);
    this.#diallers = [...options.peers].map(
      ([id, address]) => new PeerDialler(id, address, options, handlers),
    );
  }

  /** In messages to other nodes. */
  get bytesSent(): number {
    return this.#acceptor?.bytesSent ?? 0;
  }

  restart(): void {
    this.#acceptor?.cut();
    for (const dialler of this.#diallers) dialler.redial();
  }

  send(to: NodeId, message: PeerMessage): void {
    this.#acceptor?.send(to, message);
  }

  /** No handler is called any more; resolves when every socket is closed. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#http.close(() => resolve()));
    this.#acceptor?.close();
    this.#http.closeAllConnections();
    await Promise.all(this.#diallers.map((dialler) => dialler.close()));
    await closed;
  }
}

/** Plain HTTP: the only question that it serves is which cluster this is. */
function answer(
  request: IncomingMessage,
  response: ServerResponse,
  cluster: Cluster | undefined,
): void {
  if (request.method !== 'GET' || request.url !== introductionPath) {
    response.writeHead(426, { Connection: 'close', Upgrade: 'websocket' });
    response.end('only other nodes connect here, over WebSockets\n');
  } else if (cluster === undefined) {
    response.writeHead(503, { Connection: 'close', 'Content-Type': 'text/plain' });
    response.end('this node does not know its cluster yet\n');
  } else {
    response.writeHead(200, { Connection: 'close', 'Content-Type': 'application/json' });
    response.end(encodeIntroduction(cluster));
  }
}
