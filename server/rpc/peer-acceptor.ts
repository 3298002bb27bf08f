/** The connections that other nodes dialled to this one: this node's messages leave on them. */
import type { IncomingMessage, Server as HttpServer } from 'node:http';
import { type RawData, WebSocket, WebSocketServer } from 'ws';
import { assert } from '../../proto/errors.js';
import type { PeerHandlers, PeerMessage } from '../peers.js';
import type { NodeId } from '../raft/types.js';
import type { PeerHello } from './peer-codec.js';
import { decodePeerHello, encodePeerHello, encodePeerMessage } from './peer-codec.js';
import { handshakeMsMax, helloOf, objectionTo, refusedCloseCode } from './peer-handshake.js';
import { watchLiveness } from './peer-liveness.js';
import type { LinkOptions } from './peer-options.js';

/** A hello is all that comes on such a connection. */
const helloBytesMax = 4096;

/** A close frame has room for 123 bytes of reason; cutting may leave one character of 3 bytes. */
const reasonBytesMax = 120;

export class PeerAcceptor {
  readonly #options: LinkOptions;
  readonly #handlers: PeerHandlers;
  readonly #server = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: helloBytesMax,
  });
  readonly #links = new Map<NodeId, WebSocket>();
  /** In messages that were given to a connection. */
  bytesSent = 0;
  #lastRefusal = '';

  constructor(http: HttpServer, options: LinkOptions, handlers: PeerHandlers) {
    this.#options = options;
    this.#handlers = handlers;
    http.on('upgrade', (request, socket, head) => {
      this.#server.handleUpgrade(request, socket, head, (websocket) => {
        this.#accept(websocket, request);
      });
    });
  }

  send(to: NodeId, message: PeerMessage): void {
    const websocket = this.#links.get(to);
    if (websocket?.readyState !== WebSocket.OPEN) return;
    const { inflightBytesMax, messageBytesMax, logger } = this.#options;
    const queuedBytes = websocket.bufferedAmount;
    // One message of the largest size must never be the reason by itself.
    if (queuedBytes > inflightBytesMax + messageBytesMax) {
      logger.warn({ peer: to, queuedBytes }, 'a peer does not read: its link is cut');
      websocket.terminate();
      return;
    }
    const bytes = encodePeerMessage(message);
    assert(bytes.length <= messageBytesMax, `a message of ${bytes.length} bytes to a peer`);
    this.bytesSent += bytes.length;
    websocket.send(bytes);
  }

  /** Ends every connection; the other nodes dial again. */
  cut(): void {
    for (const websocket of this.#server.clients) websocket.terminate();
  }

  close(): void {
    this.#links.clear();
    this.cut();
    this.#server.close();
  }

  #accept(websocket: WebSocket, request: IncomingMessage): void {
    const { clock, logger } = this.#options;
    websocket.on('error', (error) => logger.debug({ err: error }, 'a link failed'));
    watchLiveness(websocket, request.socket, clock);
    const timer = clock.after(handshakeMsMax, () => websocket.terminate());
    websocket.once('close', () => timer.cancel());
    websocket.once('message', (data) => {
      const hello = this.#readHello(data);
      if (typeof hello === 'string') {
        this.#refuse(websocket, hello);
        return;
      }
      timer.cancel();
      websocket.on('message', () => websocket.terminate()); // nothing may follow a hello
      this.#admit(websocket, hello);
    });
  }

  /** The hello, or what is wrong with it. */
  #readHello(data: RawData): PeerHello | string {
    const { nodeId, peers } = this.#options;
    assert(Buffer.isBuffer(data), 'ws gives messages as Buffers');
    let hello: PeerHello;
    try {
      hello = decodePeerHello(data);
    } catch (error) {
      return `no hello: ${String(error)}`;
    }
    const objection = objectionTo(hello, this.#options);
    if (objection !== undefined) return objection;
    if (hello.nodeId === nodeId) return `this is node ${nodeId} itself`;
    if (!peers.has(hello.nodeId)) return `node ${hello.nodeId} is not of this cluster`;
    return hello;
  }

  /** A refused node comes again and again, and is logged once. */
  #refuse(websocket: WebSocket, reason: string): void {
    const level = reason === this.#lastRefusal ? 'debug' : 'warn';
    this.#options.logger[level]({ reason }, 'a node was refused');
    this.#lastRefusal = reason;
    const shown = Buffer.from(reason).subarray(0, reasonBytesMax).toString();
    websocket.close(refusedCloseCode, shown);
  }

  /** Takes the connection, in the place of an older one of the same node. */
  #admit(websocket: WebSocket, hello: PeerHello): void {
    const { nodeId, clientAddress, incarnation } = hello;
    const older = this.#links.get(nodeId);
    if (older !== undefined) {
      older.terminate();
      this.#drop(nodeId, older);
    }
    websocket.send(encodePeerHello(helloOf(this.#options)));
    this.#links.set(nodeId, websocket);
    websocket.once('close', () => this.#drop(nodeId, websocket));
    if (clientAddress !== '') this.#handlers.onAddress(nodeId, clientAddress);
    this.#handlers.onLink(nodeId, incarnation);
  }

  #drop(nodeId: NodeId, websocket: WebSocket): void {
    if (this.#links.get(nodeId) !== websocket) return;
    this.#links.delete(nodeId);
    this.#handlers.onLink(nodeId, null);
  }
}
