/** A connection to a NATS server, for one inbox of requests and any number of subscriptions. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { connect } from 'node:net';
import { localHost } from '../../../cli/ports.js';
import type { NatsMessage } from './nats-parser.js';
import { NatsParser } from './nats-parser.js';

export type Delivered = Extract<NatsMessage, { readonly type: 'message' }>;

interface Waiting {
  readonly resolve: (payload: Buffer) => void;
  readonly reject: (error: Error) => void;
}

const inboxSubscription = 0;
const lineEnd = Buffer.from('\r\n');
const hello = { verbose: false, pedantic: false, headers: true, no_responders: true };

export class NatsConnection {
  readonly #socket: Socket;
  /** Replies to requests arrive below it, each under the number of its request. */
  readonly #inbox = `_INBOX.${randomBytes(8).toString('hex')}`;
  readonly #waiting = new Map<number, Waiting>();
  readonly #subscriptions = new Map<number, (message: Delivered) => void>();
  #requests = 0;
  #subscribed = 0;
  #outgoing: Buffer[] = [];
  #failure: Error | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    const parser = new NatsParser((message) => this.#receive(message));
    socket.setNoDelay(true);
    socket.on('data', (chunk) => parser.push(chunk));
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => this.#fail(new Error('NATS has closed the connection')));
    this.#write(
      `CONNECT ${JSON.stringify(hello)}\r\nSUB ${this.#inbox}.* ${inboxSubscription}\r\n`,
    );
  }

  static async open(port: number): Promise<NatsConnection> {
    const socket = connect({ host: localHost, port });
    await once(socket, 'connect');
    return new NatsConnection(socket);
  }

  /** Resolves with the payload of the reply; rejects where nobody answers on the subject. */
  request(subject: string, payload: Buffer): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) {
        reject(this.#failure);
        return;
      }
      this.#requests += 1;
      this.#waiting.set(this.#requests, { resolve, reject });
      this.#publish(`PUB ${subject} ${this.#inbox}.${this.#requests}`, payload);
    });
  }

  /** Returns how to end it. */
  subscribe(subject: string, onMessage: (message: Delivered) => void): () => void {
    this.#subscribed += 1;
    const id = this.#subscribed;
    this.#subscriptions.set(id, onMessage);
    this.#write(`SUB ${subject} ${id}\r\n`);
    return () => {
      this.#subscriptions.delete(id);
      this.#write(`UNSUB ${id}\r\n`);
    };
  }

  /** An empty message, without an answer. */
  notify(subject: string): void {
    this.#write(`PUB ${subject} 0\r\n\r\n`);
  }

  close(): void {
    this.#socket.destroy();
  }

  #publish(head: string, payload: Buffer): void {
    this.#queue(Buffer.from(`${head} ${payload.length}\r\n`, 'latin1'), payload, lineEnd);
  }

  #write(text: string): void {
    this.#queue(Buffer.from(text, 'latin1'));
  }

  /** What is sent in one turn leaves in one write. */
  #queue(...parts: readonly Buffer[]): void {
    if (this.#outgoing.length === 0) {
      setImmediate(() => {
        this.#socket.write(Buffer.concat(this.#outgoing));
        this.#outgoing = [];
      });
    }
    this.#outgoing.push(...parts);
  }

  #receive(message: NatsMessage): void {
    switch (message.type) {
      case 'ping':
        return this.#write('PONG\r\n');
      case 'error':
        this.#socket.destroy(new Error(`NATS says ${message.reason}`));
        return;
      case 'message':
        return this.#deliver(message);
    }
  }

  #deliver(message: Delivered): void {
    if (message.subscription !== inboxSubscription) {
      this.#subscriptions.get(message.subscription)?.(message);
      return;
    }
    const number = Number(message.subject.slice(this.#inbox.length + 1));
    const waiting = this.#waiting.get(number);
    this.#waiting.delete(number);
    if (message.status === '') waiting?.resolve(message.payload);
    else waiting?.reject(new Error(`NATS answers ${message.status}`));
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const { reject } of this.#waiting.values()) reject(this.#failure);
    this.#waiting.clear();
  }
}
