/**
 * A TCP proxy for one link: one port that stands for `to` as `from` sees it. What passes in each
 * direction can be delayed, held or thrown away; nothing is ever reordered, repeated or altered,
 * because TCP does not do that either.
 */
import type { AddressInfo, Server, Socket } from 'node:net';
import { connect, createServer } from 'node:net';

/** What happens to the bytes of one direction. */
export type Passage =
  | { readonly type: 'open' }
  /** Every chunk goes on this much later. */
  | { readonly type: 'delayed'; readonly delayMs: number }
  /** Nothing is read: it waits with its sender, and goes on when the direction is open again. */
  | { readonly type: 'held' }
  /**
   * Taken and thrown away, so that the sender notices nothing. Such a connection has a hole in it
   * and ends when the passage changes.
   */
  | { readonly type: 'discarded' }
  /** Connections are closed, new ones too. */
  | { readonly type: 'closed' };

export const open: Passage = { type: 'open' };

/** Bytes of one direction of one connection that wait in this process. */
const queuedBytesMax = 2 ** 20;

export type Heading = 'forward' | 'backward';

export class Proxy {
  readonly #server: Server;
  readonly #connections = new Set<Connection>();
  readonly #passages: Record<Heading, Passage> = { forward: open, backward: open };

  private constructor(server: Server) {
    this.#server = server;
  }

  /** Listens on a free port of 127.0.0.1; dials `target` once for each connection. */
  static async listen(target: { readonly host: string; readonly port: number }): Promise<Proxy> {
    const server = createServer({ allowHalfOpen: true });
    const proxy = new Proxy(server);
    server.on('connection', (near) => {
      const far = connect({ ...target, allowHalfOpen: true });
      proxy.#accept(near, far);
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, '127.0.0.1', resolve);
    });
    return proxy;
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** `forward`: what the one who dialled sends. Holds for what is connected and what will be. */
  set(heading: Heading, passage: Passage): void {
    this.#passages[heading] = passage;
    for (const connection of this.#connections) connection.set(heading, passage);
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const connection of this.#connections) connection.destroy();
    await closed;
  }

  #accept(near: Socket, far: Socket): void {
    const connection = new Connection(near, far, () => this.#connections.delete(connection));
    this.#connections.add(connection);
    connection.set('forward', this.#passages.forward);
    connection.set('backward', this.#passages.backward);
  }
}

class Connection {
  readonly #sockets: readonly Socket[];
  readonly #pipes: Readonly<Record<Heading, Pipe>>;
  readonly #onEnd: () => void;

  constructor(near: Socket, far: Socket, onEnd: () => void) {
    this.#sockets = [near, far];
    this.#onEnd = onEnd;
    this.#pipes = { forward: new Pipe(near, far), backward: new Pipe(far, near) };
    for (const socket of this.#sockets) {
      socket.setNoDelay();
      socket.on('error', () => this.destroy());
      socket.on('close', (hadError) => {
        if (hadError || this.#sockets.every(({ destroyed }) => destroyed)) this.destroy();
      });
    }
  }

  set(heading: Heading, passage: Passage): void {
    const pipe = this.#pipes[heading];
    if (passage.type === 'closed' || (pipe.hasHole && passage.type !== 'discarded')) this.destroy();
    else pipe.set(passage);
  }

  destroy(): void {
    for (const pipe of Object.values(this.#pipes)) pipe.stop();
    for (const socket of this.#sockets) socket.destroy();
    this.#onEnd();
  }
}

interface Chunk {
  /** Null: the end of the stream. */
  readonly bytes: Buffer | null;
  readonly dueMs: number;
}

/** One direction of one connection. */
class Pipe {
  hasHole = false;
  readonly #source: Socket;
  readonly #sink: Socket;
  readonly #queue: Chunk[] = [];
  #queuedBytes = 0;
  #passage: Passage = open;
  #timer: NodeJS.Timeout | undefined;
  #sinkIsFull = false;

  constructor(source: Socket, sink: Socket) {
    this.#source = source;
    this.#sink = sink;
    source.on('data', (bytes: Buffer) => this.#take(bytes));
    source.on('end', () => this.#take(null));
    sink.on('drain', () => {
      this.#sinkIsFull = false;
      this.#pump();
    });
  }

  set(passage: Passage): void {
    this.#passage = passage;
    this.#pump();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#queue.length = 0;
  }

  #take(bytes: Buffer | null): void {
    if (this.#passage.type === 'discarded') {
      this.hasHole = true;
      return;
    }
    const delayMs = this.#passage.type === 'delayed' ? this.#passage.delayMs : 0;
    this.#queue.push({ bytes, dueMs: performance.now() + delayMs });
    this.#queuedBytes += bytes?.length ?? 0;
    this.#pump();
  }

  #pump(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    while (this.#passage.type !== 'held' && !this.#sinkIsFull) {
      const [next] = this.#queue;
      if (next === undefined) break;
      const waitMs = next.dueMs - performance.now();
      if (waitMs > 0 && this.#passage.type === 'delayed') {
        this.#timer = setTimeout(() => this.#pump(), waitMs);
        break;
      }
      this.#queue.shift();
      this.#pass(next.bytes);
    }
    const isFull = this.#passage.type === 'held' || this.#queuedBytes >= queuedBytesMax;
    if (isFull) this.#source.pause();
    else this.#source.resume();
  }

  #pass(bytes: Buffer | null): void {
    if (bytes === null) {
      this.#sink.end();
      return;
    }
    this.#queuedBytes -= bytes.length;
    this.#sinkIsFull = !this.#sink.write(bytes);
  }
}
