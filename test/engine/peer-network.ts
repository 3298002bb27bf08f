/** Links between nodes in memory: they delay, lose and reorder messages, and can be cut. */
import type { Clock, RandomSource } from '../../proto/clock.js';
import type { PeerHandlers, PeerMessage, PeerTransport } from '../../server/peers.js';
import type { NodeId } from '../../server/raft/types.js';

/** What one process listens with. */
interface Port {
  readonly id: NodeId;
  readonly clientAddress: string;
  readonly handlers: PeerHandlers;
}

/** How long after a change of a link its ends are told; until then messages just vanish. */
const noticeMs = 30;

export class PeerNetwork {
  /** Share of the messages that get lost on links that are up. */
  lossRate = 0;
  /** Every message takes its own time, up to this. */
  delayMsMax = 1;
  /** Messages for which it is false vanish. */
  passes: (from: NodeId, to: NodeId, message: PeerMessage) => boolean = () => true;
  readonly #clock: Clock;
  readonly #random: RandomSource;
  readonly #ports = new Map<NodeId, Port>();
  readonly #cut = new Set<string>();
  /** Rises whenever the link goes down, and what is on its way is lost. */
  readonly #losses = new Map<string, number>();

  constructor(clock: Clock, random: RandomSource) {
    this.#clock = clock;
    this.#random = random;
  }

  /** For one process; `close` is also what its end looks like to the others. */
  transport(id: NodeId, clientAddress: string): PeerTransport {
    return {
      start: (handlers) => {
        this.#ports.set(id, { id, clientAddress, handlers });
        for (const other of this.#ports.keys()) if (other !== id) this.#changed(id, other);
      },
      send: (to, message) => this.#send(id, to, message),
      close: async () => this.leave(id),
    };
  }

  leave(id: NodeId): void {
    const others = [...this.#ports.keys()].filter((other) => other !== id);
    this.#ports.delete(id);
    for (const other of others) this.#changed(id, other);
  }

  cut(a: NodeId, b: NodeId): void {
    const pair = pairOf(a, b);
    if (this.#cut.has(pair)) return;
    this.#cut.add(pair);
    this.#changed(a, b);
  }

  join(a: NodeId, b: NodeId): void {
    if (this.#cut.delete(pairOf(a, b))) this.#changed(a, b);
  }

  /** Cuts the node off from all others. */
  isolate(id: NodeId, others: Iterable<NodeId>): void {
    for (const other of others) if (other !== id) this.cut(id, other);
  }

  heal(): void {
    for (const pair of [...this.#cut]) {
      const [a = '', b = ''] = pair.split(' ');
      this.join(a, b);
    }
    this.lossRate = 0;
  }

  #isUp(a: NodeId, b: NodeId): boolean {
    return this.#ports.has(a) && this.#ports.has(b) && !this.#cut.has(pairOf(a, b));
  }

  #changed(a: NodeId, b: NodeId): void {
    const isUp = this.#isUp(a, b);
    const pair = pairOf(a, b);
    if (!isUp) this.#losses.set(pair, (this.#losses.get(pair) ?? 0) + 1);
    const ends = [this.#ports.get(a), this.#ports.get(b)];
    this.#clock.after(noticeMs, () => {
      for (const [index, port] of ends.entries()) {
        if (port === undefined || this.#ports.get(port.id) !== port) continue;
        const peer = index === 0 ? b : a;
        const address = ends[1 - index]?.clientAddress;
        if (isUp && address !== undefined) port.handlers.onAddress(peer, address);
        port.handlers.onLink(peer, isUp);
      }
    });
  }

  #send(from: NodeId, to: NodeId, message: PeerMessage): void {
    if (!this.#isUp(from, to) || !this.passes(from, to, message)) return;
    if (this.#random.fraction() < this.lossRate) return;
    const pair = pairOf(from, to);
    const losses = this.#losses.get(pair);
    this.#clock.after(this.#random.fraction() * this.delayMsMax, () => {
      if (this.#losses.get(pair) !== losses) return;
      this.#ports.get(to)?.handlers.onMessage(from, message);
    });
  }
}

function pairOf(a: NodeId, b: NodeId): string {
  return a < b ? `${a} ${b}` : `${b} ${a}`;
}
