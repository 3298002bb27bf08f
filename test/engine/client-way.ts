/** One call or stream between a client and a node: each direction keeps its order, as TCP does. */
import type { Clock } from '../../proto/clock.js';
import { LogLogError } from '../../proto/errors.js';
import type { ProcessClock } from './process-clock.js';

/** How long after a way has broken its ends are told; until then what is sent just vanishes. */
const noticeMs = 20;

/** How long a way lives that has lost something. */
export const waySilenceMsMax = 5000;

export type Direction = 'request' | 'reply';

export interface WayEnds {
  readonly client: string;
  readonly address: string;
  readonly clientClock: ProcessClock;
}

/** What the network does to what is on its way. */
export interface Weather {
  delayMs(): number;
  passes(direction: Direction): boolean;
}

export class ClientWay {
  readonly ends: WayEnds;
  /** Of the process that has been reached. */
  serverClock: ProcessClock | null = null;
  /** Tells that process that the stream has ended. */
  onServerLost: () => void = () => undefined;
  readonly #clock: Clock;
  /** All that are open. */
  readonly #open: Set<ClientWay>;
  readonly #weather: Weather;
  readonly #onBroken: (error: LogLogError) => void;
  readonly #lastMs = { request: 0, reply: 0 };
  readonly #isDeaf = { request: false, reply: false };

  constructor(
    clock: Clock,
    ends: WayEnds,
    open: Set<ClientWay>,
    weather: Weather,
    /** Tells the client. */
    onBroken: (error: LogLogError) => void,
  ) {
    this.#clock = clock;
    this.ends = ends;
    this.#open = open;
    this.#weather = weather;
    this.#onBroken = onBroken;
    open.add(this);
  }

  send(direction: Direction, arrive: () => void): void {
    const nowMs = this.#clock.monotonicMs();
    const arrivalMs = Math.max(this.#lastMs[direction], nowMs + this.#weather.delayMs());
    this.#lastMs[direction] = arrivalMs;
    this.#clock.after(arrivalMs - nowMs, () => {
      if (!this.#open.has(this)) return;
      if (this.#isDeaf[direction] || !this.#weather.passes(direction)) this.#lose(direction);
      else this.deliver(direction, arrive);
    });
  }

  /** To a process that may be paused. */
  deliver(direction: Direction, arrive: () => void): void {
    const receiver = direction === 'request' ? this.serverClock : this.ends.clientClock;
    // Nobody has been reached yet: this is the network's own.
    if (receiver === null) return arrive();
    const isTaken = receiver.deliver(() => {
      if (this.#open.has(this)) arrive();
    });
    if (!isTaken) this.#lose(direction);
  }

  /** Both ends are told, a little later. */
  break(): void {
    if (!this.#open.delete(this)) return;
    const { address, clientClock } = this.ends;
    const error = new LogLogError('UNAVAILABLE', `no way to ${address}`, { outcome: 'unknown' });
    this.#clock.after(noticeMs, () => {
      clientClock.deliver(() => this.#onBroken(error));
      this.serverClock?.deliver(this.onServerLost);
    });
  }

  end(): void {
    this.#open.delete(this);
  }

  /** Nothing behind what is lost can arrive. */
  #lose(direction: Direction): void {
    if (this.#isDeaf[direction]) return;
    this.#isDeaf[direction] = true;
    this.#clock.after(waySilenceMsMax, () => this.break());
  }
}
