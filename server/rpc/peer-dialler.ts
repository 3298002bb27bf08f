/** The connection that this node dials to one other node: that node's messages arrive on it. */
import { type RawData, WebSocket } from 'ws';
import type { Timer } from '../../proto/clock.js';
import { assert } from '../../proto/errors.js';
import type { PeerHandlers, PeerMessage } from '../peers.js';
import type { NodeId } from '../raft/types.js';
import type { PeerHello } from './peer-codec.js';
import { decodePeerHello, decodePeerMessage, encodePeerHello } from './peer-codec.js';
import { handshakeMsMax, helloOf, objectionTo, refusedCloseCode } from './peer-handshake.js';
import { watchLiveness } from './peer-liveness.js';
import type { LinkOptions } from './peer-options.js';

const redialMsMin = 50;
const redialMsMax = 1_000;

export class PeerDialler {
  readonly #peer: NodeId;
  readonly #address: string;
  readonly #options: LinkOptions;
  readonly #handlers: PeerHandlers;
  #websocket: WebSocket | undefined;
  #redialTimer: Timer | undefined;
  #redialMs = redialMsMin;
  #lastProblem = '';
  #closed = false;

  /** Dials at once, and again whenever the connection is lost. */
  constructor(peer: NodeId, address: string, options: LinkOptions, handlers: PeerHandlers) {
    this.#peer = peer;
    this.#address = address;
    this.#options = options;
    this.#handlers = handlers;
    this.#dial();
  }

  /** Lets go of the connection, if there is one, and dials at once. */
  redial(): void {
    this.#redialMs = 0;
    if (this.#websocket !== undefined) {
      this.#websocket.terminate();
    } else if (!this.#closed) {
      this.#redialTimer?.cancel();
      this.#dial();
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#redialTimer?.cancel();
    const websocket = this.#websocket;
    if (websocket === undefined) return;
    await new Promise<void>((resolve) => {
      websocket.once('close', () => resolve());
      websocket.terminate();
    });
  }

  #dial(): void {
    const { clock, messageBytesMax } = this.#options;
    const websocket = new WebSocket(`ws://${this.#address}`, {
      perMessageDeflate: false,
      maxPayload: messageBytesMax,
    });
    this.#websocket = websocket;
    let hello: PeerHello | undefined;
    let problem: string | undefined;
    const give = (reason: string) => {
      problem ??= reason;
      websocket.terminate();
    };
    const timer = clock.after(handshakeMsMax, () => give(`no hello within ${handshakeMsMax} ms`));
    websocket.on('error', (error) => {
      problem ??= error.message;
    });
    websocket.once('upgrade', (response) => watchLiveness(websocket, response.socket, clock));
    websocket.once('open', () => websocket.send(encodePeerHello(helloOf(this.#options))));
    websocket.on('message', (data) => {
      if (websocket.readyState !== WebSocket.OPEN || this.#closed) return;
      if (hello !== undefined) {
        const failure = this.#receive(hello.incarnation, data);
        if (failure !== undefined) give(failure);
        return;
      }
      const first = this.#greet(data);
      if (typeof first === 'string') {
        give(first);
        return;
      }
      hello = first;
      timer.cancel();
    });
    websocket.once('close', (code, reason) => {
      timer.cancel();
      this.#lost(
        code === refusedCloseCode
          ? `refused: ${reason.toString()}`
          : (problem ?? 'the connection was closed'),
      );
    });
  }

  /** The answer to our hello, or what is wrong with it. */
  #greet(data: RawData): PeerHello | string {
    const hello = decoded(data, decodePeerHello);
    if (typeof hello === 'string') return hello;
    const objection = objectionTo(hello, this.#options);
    if (objection !== undefined) return objection;
    if (hello.nodeId !== this.#peer) return `node ${hello.nodeId} answers at that address`;
    this.#redialMs = redialMsMin;
    this.#lastProblem = '';
    const { logger } = this.#options;
    logger.info({ peer: this.#peer, address: this.#address }, 'connected to a peer');
    const { clientAddress, incarnation, process, startTerm, term, durableOffset } = hello;
    if (clientAddress !== '') this.#handlers.onAddress(this.#peer, clientAddress);
    const state = { incarnation, process, startTerm, term, durableOffset };
    this.#handlers.onGreeting(this.#peer, state);
    return hello;
  }

  /** Undefined, or what is wrong with the message, which comes from that incarnation. */
  #receive(incarnation: number, data: RawData): string | undefined {
    const message: PeerMessage | string = decoded(data, decodePeerMessage);
    if (typeof message === 'string') return message;
    this.#handlers.onMessage(this.#peer, incarnation, message);
    return undefined;
  }

  /** Dials again, a little later each time; a problem is logged when it is a new one. */
  #lost(problem: string): void {
    this.#websocket = undefined;
    if (this.#closed) return;
    const { clock, logger, random } = this.#options;
    const level = problem === this.#lastProblem ? 'debug' : 'warn';
    const fields = { peer: this.#peer, address: this.#address, problem };
    logger[level](fields, 'not connected to a peer');
    this.#lastProblem = problem;
    const delayMs = this.#redialMs * (0.5 + random.fraction() / 2);
    this.#redialMs = Math.min(Math.max(2 * this.#redialMs, redialMsMin), redialMsMax);
    this.#redialTimer = clock.after(delayMs, () => this.#dial());
  }
}

/** The value, or what is wrong with the bytes. */
function decoded<Value extends object>(
  data: RawData,
  decode: (bytes: Buffer) => Value,
): Value | string {
  assert(Buffer.isBuffer(data), 'ws gives messages as Buffers');
  try {
    return decode(data);
  } catch (error) {
    return `malformed message: ${String(error)}`;
  }
}
