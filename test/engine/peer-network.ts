/**
 * Links between nodes in memory: they delay, lose, repeat and reorder messages, and can be cut. As
 * between real nodes, two connections lie between any two, one for each direction; and each needs
 * packets in both directions to live.
 */
import type { Clock, RandomSource } from '../../proto/clock.js';
import type { PeerHandlers, PeerMessage, PeerTransport } from '../../server/peers.js';
import type { NodeId, PeerState } from '../../server/raft/types.js';
import type { Delay } from './delays.js';
import type { Reaches } from './partitions.js';
import { PeerWay } from './peer-way.js';
import type { ProcessClock } from './process-clock.js';
import type { TraceHash } from './trace-hash.js';

/** What one process listens with. */
interface Port {
  readonly id: NodeId;
  readonly clientAddress: string;
  readonly clock: ProcessClock;
  readonly handlers: PeerHandlers;
  /** What the process says of itself on a new connection. */
  readonly state: () => PeerState;
}

/** How long after a change of a link its ends are told; until then messages just vanish. */
const noticeMs = 30;

/** How long a connection lives of which one direction is cut, or one side does not answer. */
export const linkSilenceMsMax = 2000;

export class PeerNetwork {
  /** Share of the messages that get lost on links that are up. */
  lossRate = 0;
  /** Share of the messages that arrive twice. */
  repeatRate = 0;
  /** Every message takes its own time, up to this. */
  delayMsMax = 1;
  /** How much later one of the two connections between two nodes may come up than the other. */
  spreadMsMax = 0;
  /** Whether messages overtake each other, as they cannot on one real connection. */
  reorders = true;
  /** Messages for which it is false vanish. */
  passes: (from: NodeId, to: NodeId, message: PeerMessage) => boolean = () => true;
  /** Told of what happens here, if there is one. */
  trace: TraceHash | null = null;
  readonly #clock: Clock;
  readonly #random: RandomSource;
  readonly #ports = new Map<NodeId, Port>();
  /** By sender and receiver. */
  readonly #ways = new Map<NodeId, Map<NodeId, PeerWay>>();
  readonly #slow = new Map<NodeId, Delay>();
  readonly #flapping = new Set<() => void>();

  constructor(clock: Clock, random: RandomSource) {
    this.#clock = clock;
    this.#random = random;
  }

  /** For one process; `close` is also what its end looks like to the others. */
  transport(id: NodeId, clientAddress: string, clock: ProcessClock): PeerTransport {
    return {
      start: (handlers, state) => {
        this.#ports.set(id, { id, clientAddress, clock, handlers, state });
        this.#reviewAll(id);
      },
      restart: () => this.#restart(id),
      send: (to, message) => this.#send(id, to, message),
      close: async () => this.leave(id),
    };
  }

  leave(id: NodeId): void {
    this.#ports.delete(id);
    this.#reviewAll(id);
  }

  /** The process does not run for so long: it says nothing, and others may give up its links. */
  pause(id: NodeId, durationMs: number): void {
    this.#reviewAll(id);
    this.#clock.after(durationMs, () => this.#reviewAll(id));
  }

  /** Both directions, noticed at once. */
  cut(a: NodeId, b: NodeId): void {
    this.#way(a, b).isCut = true;
    this.#way(b, a).isCut = true;
    this.#review(a, b);
  }

  /** Messages vanish in this direction only; the links are lost after `linkSilenceMsMax`. */
  cutOneWay(from: NodeId, to: NodeId): void {
    this.#way(from, to).isCut = true;
    this.#review(from, to);
  }

  join(a: NodeId, b: NodeId): void {
    this.#way(a, b).isCut = false;
    this.#way(b, a).isCut = false;
    this.#review(a, b);
  }

  /** Cuts the node off from all others. */
  isolate(id: NodeId, others: Iterable<NodeId>): void {
    for (const other of others) if (other !== id) this.cut(id, other);
  }

  /** Cuts and joins links such that nodes reach those that `reaches` says (partitions.ts). */
  partition(ids: readonly NodeId[], reaches: Reaches): void {
    for (const from of ids) {
      for (const to of ids) if (from !== to) this.#way(from, to).isCut = !reaches(from, to);
    }
    for (const [index, a] of ids.entries()) {
      for (const b of ids.slice(index + 1)) this.#review(a, b);
    }
  }

  /** Cuts and joins the link again and again, after `periodMs` at most, until it is stopped. */
  flap(a: NodeId, b: NodeId, periodMs: number): () => void {
    let isStopped = false;
    const turn = () => {
      if (isStopped) return;
      if (this.#way(a, b).isCut) this.join(a, b);
      else this.cut(a, b);
      this.#clock.after(this.#random.fraction() * periodMs, turn);
    };
    const stop = () => {
      isStopped = true;
      this.#flapping.delete(stop);
      this.join(a, b);
    };
    this.#flapping.add(stop);
    turn();
    return stop;
  }

  /** How long messages take in this direction; null: as all others. */
  setDelay(from: NodeId, to: NodeId, delay: Delay | null): void {
    this.#way(from, to).delay = delay;
  }

  /** What all messages from and to this node take besides. */
  slow(id: NodeId, delay: Delay | null): void {
    if (delay === null) this.#slow.delete(id);
    else this.#slow.set(id, delay);
  }

  /** All links work again, and none worse than another. */
  heal(): void {
    for (const stop of [...this.#flapping]) stop();
    this.#slow.clear();
    for (const ways of this.#ways.values()) {
      for (const way of ways.values()) {
        way.delay = null;
        if (way.isCut) this.join(way.from, way.to);
      }
    }
    this.lossRate = 0;
    this.repeatRate = 0;
  }

  #restart(id: NodeId): void {
    for (const [from, ways] of this.#ways) {
      for (const way of ways.values()) {
        if ((from === id || way.to === id) && way.state !== 'down') this.#lose(way);
      }
    }
    this.#reviewAll(id);
  }

  #way(from: NodeId, to: NodeId): PeerWay {
    let ways = this.#ways.get(from);
    if (ways === undefined) this.#ways.set(from, (ways = new Map()));
    let way = ways.get(to);
    if (way === undefined) ways.set(to, (way = new PeerWay(from, to)));
    return way;
  }

  #reviewAll(id: NodeId): void {
    for (const { to } of [...(this.#ways.get(id)?.values() ?? [])]) this.#review(id, to);
    for (const other of this.#ports.keys()) if (other !== id) this.#review(id, other);
  }

  /** Makes, loses or keeps the two connections, as things are now. */
  #review(a: NodeId, b: NodeId): void {
    const [there, back] = [this.#way(a, b), this.#way(b, a)];
    const [one, other] = [this.#ports.get(a), this.#ports.get(b)];
    const isGone = one === undefined || other === undefined || (there.isCut && back.isCut);
    const isWhole = !isGone && !there.isCut && !back.isCut && ![one, other].some(isPaused);
    for (const way of [there, back]) {
      if (isWhole) way.silentSinceMs = null;
      if (isWhole && way.state === 'down') this.#connect(way);
      else if (isGone && way.state !== 'down') this.#lose(way);
      else if (!isWhole && way.state === 'connecting') way.lose();
      else if (!isWhole && way.state === 'up' && way.silentSinceMs === null) this.#silence(way);
    }
  }

  #connect(way: PeerWay): void {
    way.state = 'connecting';
    const connection = (way.connection += 1);
    const { from, to } = way;
    const spreadMs = this.spreadMsMax > 0 ? this.#random.fraction() * this.spreadMsMax : 0;
    this.#clock.after(noticeMs + spreadMs, () => {
      const [port, peer] = [this.#ports.get(from), this.#ports.get(to)];
      if (way.connection !== connection || port === undefined || peer === undefined) return;
      way.state = 'up';
      this.trace?.add('up', from, to);
      const state = port.state();
      way.incarnation = state.incarnation;
      const { incarnation } = peer.state();
      peer.clock.deliver(() => peer.handlers.onGreeting(from, state));
      port.clock.deliver(() => {
        port.handlers.onAddress(to, peer.clientAddress);
        port.handlers.onLink(to, incarnation);
      });
    });
  }

  #lose(way: PeerWay): void {
    way.lose();
    const port = this.#ports.get(way.from);
    if (port === undefined) return;
    this.#clock.after(noticeMs, () => {
      if (this.#ports.get(way.from) !== port) return;
      this.trace?.add('down', way.from, way.to);
      port.clock.deliver(() => port.handlers.onLink(way.to, null));
    });
  }

  /** Nobody notices at first. */
  #silence(way: PeerWay): void {
    const sinceMs = this.#clock.monotonicMs();
    const { connection } = way;
    way.silentSinceMs = sinceMs;
    this.#clock.after(linkSilenceMsMax, () => {
      if (way.connection === connection && way.silentSinceMs === sinceMs) this.#lose(way);
    });
  }

  #send(from: NodeId, to: NodeId, message: PeerMessage): void {
    const way = this.#way(from, to);
    if (way.state !== 'up' || way.isCut || !this.passes(from, to, message)) return;
    if (this.lossRate > 0 && this.#random.fraction() < this.lossRate) return;
    this.#carry(way, message);
    const repeats = this.repeatRate > 0 && this.#random.fraction() < this.repeatRate;
    if (repeats) this.#carry(way, message);
  }

  #carry(way: PeerWay, message: PeerMessage): void {
    const { connection, from, to, incarnation } = way;
    let delayMs = this.#delayMs(way);
    if (!this.reorders) {
      const nowMs = this.#clock.monotonicMs();
      way.lastArrivalMs = Math.max(way.lastArrivalMs, nowMs + delayMs);
      delayMs = way.lastArrivalMs - nowMs;
    }
    this.#clock.after(delayMs, () => {
      if (way.connection !== connection || way.isCut) return;
      const port = this.#ports.get(to);
      if (port === undefined) return;
      this.trace?.add(message.type, from, to);
      port.clock.deliver(() => port.handlers.onMessage(from, incarnation, message));
    });
  }

  #delayMs({ from, to, delay }: PeerWay): number {
    const random = this.#random;
    const ownMs = delay === null ? random.fraction() * this.delayMsMax : delay(random);
    if (this.#slow.size === 0) return ownMs;
    return ownMs + (this.#slow.get(from)?.(random) ?? 0) + (this.#slow.get(to)?.(random) ?? 0);
  }
}

function isPaused(port: Port | undefined): boolean {
  return port?.clock.isPaused ?? false;
}
