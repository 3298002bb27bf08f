/** A connection to a Redis server: requests go out as they are, replies come in their order. */
import type { Socket } from 'node:net';
import { connect } from 'node:net';
import { once } from 'node:events';
import { localHost } from '../../../cli/ports.js';
import type { RespValue } from './resp.js';
import { request, RespError, RespParser } from './resp.js';

interface Waiting {
  readonly resolve: (reply: RespValue) => void;
  readonly reject: (error: Error) => void;
}

export class RedisConnection {
  readonly #socket: Socket;
  readonly #waiting: Waiting[] = [];
  #next = 0;
  #failure: Error | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    const parser = new RespParser((reply) => this.#settle(reply));
    socket.setNoDelay(true);
    socket.on('data', (chunk) => parser.push(chunk));
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => this.#fail(new Error('Redis has closed the connection')));
  }

  static async open(port: number): Promise<RedisConnection> {
    const socket = connect({ host: localHost, port });
    await once(socket, 'connect');
    return new RedisConnection(socket);
  }

  /** Rejects with what Redis answers if that is an error. */
  async call(...args: readonly (string | number | Buffer)[]): Promise<RespValue> {
    return (await this.send(request(...args), 1))[0] ?? null;
  }

  /** So many requests, one behind the other; resolves with their replies, none of them an error. */
  async send(requests: Buffer, count: number): Promise<RespValue[]> {
    if (this.#failure !== undefined) throw this.#failure;
    const replies = Array.from(
      { length: count },
      () => new Promise<RespValue>((resolve, reject) => this.#waiting.push({ resolve, reject })),
    );
    this.#socket.write(requests);
    return Promise.all(replies);
  }

  close(): void {
    this.#socket.destroy();
  }

  #settle(reply: RespValue): void {
    const waiting = this.#waiting[this.#next];
    if (waiting === undefined) throw new Error('Redis answers what was not asked');
    this.#next += 1;
    if (this.#next === this.#waiting.length) {
      this.#waiting.length = 0;
      this.#next = 0;
    }
    if (reply instanceof RespError) waiting.reject(reply);
    else waiting.resolve(reply);
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    const waiting = this.#waiting.splice(0).slice(this.#next);
    this.#next = 0;
    for (const { reject } of waiting) reject(this.#failure);
  }
}
