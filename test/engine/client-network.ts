/**
 * Ways from clients to nodes in memory: calls and streams take time, keep their order as TCP does,
 * and break when the way is cut or the node is gone.
 */
import type { Transport } from '../../client/transport.js';
import type { Clock, RandomSource } from '../../proto/clock.js';
import { LogLogError } from '../../proto/errors.js';
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

/** How long after a way has broken its ends are told; until then what is sent just vanishes. */
const noticeMs = 20;

/** Upload frames that the way takes before it asks the client to wait. */
const framesMax = 16;

export class ClientNetwork {
  /** Every message takes its own time, up to this, but does not overtake others. */
  delayMsMax = 1;
  readonly #clock: Clock;
  readonly #random: RandomSource;
  readonly #serviceAt: (address: string) => LogLogService | undefined;
  readonly #cut = new Set<string>();
  readonly #ways = new Set<Way>();

  constructor(
    clock: Clock,
    random: RandomSource,
    /** Undefined while no process answers there. */
    serviceAt: (address: string) => LogLogService | undefined,
  ) {
    this.#clock = clock;
    this.#random = random;
    this.#serviceAt = serviceAt;
  }

  transport(client: string): Transport {
    return {
      open: (address) => ({ service: this.#service(client, address), close: () => undefined }),
    };
  }

  cut(client: string, address: string): void {
    this.#cut.add(`${client} ${address}`);
    this.#break((way) => way.client === client && way.address === address);
  }

  join(client: string, address: string): void {
    this.#cut.delete(`${client} ${address}`);
  }

  heal(): void {
    this.#cut.clear();
  }

  /** The process that answered there has ended. */
  leave(address: string): void {
    this.#break((way) => way.address === address);
  }

  #break(isAffected: (way: Way) => boolean): void {
    for (const way of this.#ways) if (isAffected(way)) way.break();
  }

  #open(client: string, address: string, onBroken: (error: LogLogError) => void): Way {
    const delayMs = () => this.#random.fraction() * this.delayMsMax;
    const way = new Way(client, address, this.#clock, delayMs, (error) => {
      this.#ways.delete(way);
      onBroken(error);
    });
    this.#ways.add(way);
    return way;
  }

  #end(way: Way): void {
    this.#ways.delete(way);
    way.end();
  }

  #reach({ client, address }: Way): LogLogService | undefined {
    return this.#cut.has(`${client} ${address}`) ? undefined : this.#serviceAt(address);
  }

  #service(client: string, address: string): LogLogService {
    const ask = <T>(call: (service: LogLogService) => Promise<T>) =>
      this.#ask(client, address, call);
    return {
      append: (request, signal) => ask((service) => service.append(request, signal)),
      read: (request, signal) => ask((service) => service.read(request, signal)),
      end: (request, signal) => ask((service) => service.end(request, signal)),
      status: (request, signal) => ask((service) => service.status(request, signal)),
      transfer: (request, signal) => ask((service) => service.transfer(request, signal)),
      upload: (hello, handlers) => this.#upload(client, address, hello, handlers),
      tail: (request, handlers) => this.#tail(client, address, request, handlers),
    };
  }

  #ask<T>(
    client: string,
    address: string,
    call: (service: LogLogService) => Promise<T>,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      const way = this.#open(client, address, reject);
      const settle = (run: () => void) =>
        way.send(() => {
          this.#end(way);
          run();
        });
      way.send(() => {
        const service = this.#reach(way);
        if (service === undefined) return way.break();
        call(service).then(
          (answer) => settle(() => resolve(answer)),
          (error: unknown) => settle(() => reject(asError(error))),
        );
      });
    });
  }

  #upload(
    client: string,
    address: string,
    hello: UploadHello,
    handlers: UploadHandlers,
  ): UploadStream {
    let stream: UploadStream | undefined;
    const way = this.#open(client, address, (error) => {
      stream?.close();
      handlers.onClose(error);
    });
    const queue: UploadFrame[] = [];
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
      way.send(() => handlers.onDrain());
    };
    way.send(() => {
      const service = this.#reach(way);
      if (service === undefined) return way.break();
      stream = service.upload(hello, {
        onReply: (reply) => way.send(() => handlers.onReply(reply)),
        onDrain: () => {
          isPaused = false;
          pump();
        },
        onClose: (error) =>
          way.send(() => {
            this.#end(way);
            handlers.onClose(error);
          }),
      });
    });
    return {
      send: (frame) => {
        onTheirWay += 1;
        way.send(() => {
          queue.push(frame);
          pump();
        });
        isBlocked = onTheirWay >= framesMax;
        return !isBlocked;
      },
      close: () => way.send(() => stream?.close()),
    };
  }

  #tail(client: string, address: string, request: TailRequest, handlers: TailHandlers): TailStream {
    let stream: TailStream | undefined;
    const way = this.#open(client, address, (error) => {
      stream?.close();
      handlers.onClose(error);
    });
    way.send(() => {
      const service = this.#reach(way);
      if (service === undefined) return way.break();
      stream = service.tail(request, {
        onPage: (page) => way.send(() => handlers.onPage(page)),
        onClose: (error) =>
          way.send(() => {
            this.#end(way);
            handlers.onClose(error);
          }),
      });
    });
    return {
      credit: (pages) => way.send(() => stream?.credit(pages)),
      close: () => way.send(() => stream?.close()),
    };
  }
}

/** One call or stream. */
class Way {
  readonly client: string;
  readonly address: string;
  readonly #clock: Clock;
  readonly #delayMs: () => number;
  readonly #onBroken: (error: LogLogError) => void;
  #state: 'open' | 'broken' | 'ended' = 'open';
  #lastMs = 0;

  constructor(
    client: string,
    address: string,
    clock: Clock,
    delayMs: () => number,
    onBroken: (error: LogLogError) => void,
  ) {
    this.client = client;
    this.address = address;
    this.#clock = clock;
    this.#delayMs = delayMs;
    this.#onBroken = onBroken;
  }

  /** In either direction: what is sent first arrives first. */
  send(arrive: () => void): void {
    const nowMs = this.#clock.monotonicMs();
    this.#lastMs = Math.max(this.#lastMs, nowMs + this.#delayMs());
    this.#clock.after(this.#lastMs - nowMs, () => {
      if (this.#state === 'open') arrive();
    });
  }

  break(): void {
    if (this.#state !== 'open') return;
    this.#state = 'broken';
    const error = new LogLogError('UNAVAILABLE', `no way to ${this.address}`, {
      outcome: 'unknown',
    });
    this.#clock.after(noticeMs, () => this.#onBroken(error));
  }

  end(): void {
    this.#state = 'ended';
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
