/**
 * Ways from clients to nodes in memory: calls and streams take time, keep their order as TCP does,
 * and break when the way is cut or one end is gone.
 */
import type { Transport } from '../../client/transport.js';
import type { Clock, RandomSource } from '../../proto/clock.js';
import type { LogLogError } from '../../proto/errors.js';
import type {
  LogLogService,
  TailHandlers,
  TailRequest,
  TailStream,
  UploadFrame,
  UploadHandlers,
  UploadHello,
  UploadStream,
} from '../../proto/service.js';
import type { Direction, WayEnds, Weather } from './client-way.js';
import { ClientWay } from './client-way.js';
import type { Delay } from './delays.js';
import type { ProcessClock } from './process-clock.js';
import type { TraceHash } from './trace-hash.js';

/** Upload frames that the way takes before it asks the client to wait. */
const framesMax = 16;

/** A process that serves clients. */
export interface Server {
  readonly service: LogLogService;
  readonly clock: ProcessClock;
}

/** Where in the middle of an upload its stream breaks. */
export interface UploadBreak {
  /** Frames that get through before the one that is on its way then. */
  readonly afterFrames: number;
  readonly lastFrame: 'lost' | 'delivered';
}

export class ClientNetwork {
  /** Every message takes its own time, up to this, but does not overtake others. */
  delayMsMax = 1;
  /** Told of what happens here, if there is one. */
  trace: TraceHash | null = null;
  readonly #clock: Clock;
  readonly #random: RandomSource;
  readonly #serverAt: (address: string) => Server | undefined;
  /** By pair: what vanishes. */
  readonly #cut = new Map<string, ReadonlySet<Direction>>();
  readonly #delays = new Map<string, Delay>();
  readonly #slow = new Map<string, Delay>();
  readonly #breaks = new Map<string, UploadBreak>();
  readonly #ways = new Set<ClientWay>();

  constructor(
    clock: Clock,
    random: RandomSource,
    /** Undefined while no process answers there. */
    serverAt: (address: string) => Server | undefined,
  ) {
    this.#clock = clock;
    this.#random = random;
    this.#serverAt = serverAt;
  }

  transport(client: string, clientClock: ProcessClock): Transport {
    return {
      open: (address) => ({
        service: this.#service({ client, address, clientClock }),
        close: () => undefined,
      }),
    };
  }

  /** Both directions; what is open breaks. */
  cut(client: string, address: string): void {
    this.#cut.set(pairOf(client, address), new Set<Direction>(['request', 'reply']));
    this.#break((ends) => ends.client === client && ends.address === address);
  }

  /** What is sent in this direction vanishes; a way that lost something breaks in the end. */
  cutOneWay(client: string, address: string, direction: Direction): void {
    this.#cut.set(pairOf(client, address), new Set([direction]));
  }

  join(client: string, address: string): void {
    this.#cut.delete(pairOf(client, address));
  }

  /** The next upload with that many frames, or the one that is open, breaks in the middle. */
  breakUpload(client: string, address: string, where: UploadBreak): void {
    this.#breaks.set(pairOf(client, address), where);
  }

  /** How long messages of this pair take; null: as all others. */
  setDelay(client: string, address: string, delay: Delay | null): void {
    if (delay === null) this.#delays.delete(pairOf(client, address));
    else this.#delays.set(pairOf(client, address), delay);
  }

  /** What all messages to and from this node take besides. */
  slow(address: string, delay: Delay | null): void {
    if (delay === null) this.#slow.delete(address);
    else this.#slow.set(address, delay);
  }

  /** All ways work again, and none worse than another. */
  heal(): void {
    this.#cut.clear();
    this.#delays.clear();
    this.#slow.clear();
    this.#breaks.clear();
  }

  /** The process that answered there has ended. */
  leave(address: string): void {
    this.#break((ends) => ends.address === address);
  }

  /** The client's process has ended. */
  leaveClient(client: string): void {
    this.#break((ends) => ends.client === client);
  }

  #break(isAffected: (ends: WayEnds) => boolean): void {
    for (const way of [...this.#ways]) if (isAffected(way.ends)) way.break();
  }

  #open(ends: WayEnds, onBroken: (error: LogLogError) => void): ClientWay {
    const pair = pairOf(ends.client, ends.address);
    const weather: Weather = {
      delayMs: () => this.#delayMs(pair, ends.address),
      passes: (direction) => {
        this.trace?.add(direction, ends.client, ends.address);
        return this.#cut.get(pair)?.has(direction) !== true;
      },
    };
    return new ClientWay(this.#clock, ends, this.#ways, weather, onBroken);
  }

  #delayMs(pair: string, address: string): number {
    const random = this.#random;
    const ownMs = this.#delays.get(pair)?.(random) ?? random.fraction() * this.delayMsMax;
    return ownMs + (this.#slow.get(address)?.(random) ?? 0);
  }

  /** Once the first message is there. */
  #reach(way: ClientWay, serve: (service: LogLogService) => void): void {
    way.send('request', () => {
      const server = this.#serverAt(way.ends.address);
      if (server === undefined) return way.break();
      way.serverClock = server.clock;
      way.deliver('request', () => serve(server.service));
    });
  }

  /** What happens to the frame that is being sent. */
  #takeBreak({ client, address }: WayEnds): UploadBreak['lastFrame'] | null {
    if (this.#breaks.size === 0) return null;
    const pair = pairOf(client, address);
    const where = this.#breaks.get(pair);
    if (where === undefined) return null;
    const { afterFrames, lastFrame } = where;
    if (afterFrames > 0) this.#breaks.set(pair, { afterFrames: afterFrames - 1, lastFrame });
    else this.#breaks.delete(pair);
    return afterFrames > 0 ? null : lastFrame;
  }

  #service(ends: WayEnds): LogLogService {
    const ask = <T>(call: (service: LogLogService) => Promise<T>) => this.#ask(ends, call);
    return {
      append: (request, signal) => ask((service) => service.append(request, signal)),
      read: (request, signal) => ask((service) => service.read(request, signal)),
      end: (request, signal) => ask((service) => service.end(request, signal)),
      status: (request, signal) => ask((service) => service.status(request, signal)),
      transfer: (request, signal) => ask((service) => service.transfer(request, signal)),
      upload: (hello, handlers) => this.#upload(ends, hello, handlers),
      tail: (request, handlers) => this.#tail(ends, request, handlers),
    };
  }

  #ask<T>(ends: WayEnds, call: (service: LogLogService) => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const way = this.#open(ends, reject);
      const settle = (run: () => void) =>
        way.send('reply', () => {
          way.end();
          run();
        });
      this.#reach(way, (service) => {
        call(service).then(
          (answer) => settle(() => resolve(answer)),
          (error: unknown) => settle(() => reject(asError(error))),
        );
      });
    });
  }

  #upload(ends: WayEnds, hello: UploadHello, handlers: UploadHandlers): UploadStream {
    const way = this.#open(ends, (error) => handlers.onClose(error));
    const queue: UploadFrame[] = [];
    let stream: UploadStream | undefined;
    let onTheirWay = 0;
    let isPaused = false;
    let isBlocked = false;
    const pump = () => {
      while (stream !== undefined && !isPaused) {
        const frame = queue.shift();
        if (frame === undefined) break;
        isPaused = !stream.send(frame);
        onTheirWay -= 1;
      }
      if (!isBlocked || onTheirWay > 0) return;
      isBlocked = false;
      way.send('reply', () => handlers.onDrain());
    };
    this.#reach(way, (service) => {
      const onDrain = () => {
        isPaused = false;
        pump();
      };
      stream = service.upload(hello, {
        onReply: (reply) => way.send('reply', () => handlers.onReply(reply)),
        onDrain,
        onClose: (error) => closed(way, handlers, error),
      });
      way.onServerLost = () => stream?.close();
    });
    return {
      send: (frame) => {
        const lastFrame = this.#takeBreak(ends);
        if (lastFrame === 'lost') way.break();
        onTheirWay += 1;
        way.send('request', () => {
          queue.push(frame);
          pump();
          if (lastFrame === 'delivered') way.break();
        });
        isBlocked = onTheirWay >= framesMax;
        return !isBlocked;
      },
      close: () => way.send('request', () => stream?.close()),
    };
  }

  #tail(ends: WayEnds, request: TailRequest, handlers: TailHandlers): TailStream {
    const way = this.#open(ends, (error) => handlers.onClose(error));
    let stream: TailStream | undefined;
    this.#reach(way, (service) => {
      stream = service.tail(request, {
        onPage: (page) => way.send('reply', () => handlers.onPage(page)),
        onClose: (error) => closed(way, handlers, error),
      });
      way.onServerLost = () => stream?.close();
    });
    return {
      credit: (pages) => way.send('request', () => stream?.credit(pages)),
      close: () => way.send('request', () => stream?.close()),
    };
  }
}

/** The node has ended a stream. */
function closed(
  way: ClientWay,
  handlers: TailHandlers | UploadHandlers,
  error?: LogLogError,
): void {
  way.send('reply', () => {
    way.end();
    handlers.onClose(error);
  });
}

function pairOf(client: string, address: string): string {
  return `${client} ${address}`;
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
