/**
 * The node's end of its links: passes what comes on to whoever listens at the moment. While the log
 * is being opened that can be its repair alone; then it is the whole node.
 */
import type { PeerHandlers, PeerMessage, PeerTransport } from './peers.js';
import type { NodeId, PeerState } from './raft/types.js';

export interface Listener extends PeerHandlers {
  /** What this node greets others with. */
  state(): PeerState;
}

export class Links {
  readonly #transport: PeerTransport;
  #listener: Listener | null = null;

  constructor(transport: PeerTransport) {
    this.#transport = transport;
  }

  /** From now on `listener` is told everything; it finds no link up and sees all come up. */
  listen(listener: Listener): void {
    const before = this.#listener;
    this.#listener = listener;
    if (before !== null) {
      this.#transport.restart();
      return;
    }
    this.#transport.start(
      {
        onMessage: (...message) => this.#listener?.onMessage(...message),
        onLink: (...link) => this.#listener?.onLink(...link),
        onGreeting: (...greeting) => this.#listener?.onGreeting(...greeting),
        onAddress: (...address) => this.#listener?.onAddress(...address),
      },
      () => (this.#listener ?? listener).state(),
    );
  }

  send(to: NodeId, message: PeerMessage): void {
    this.#transport.send(to, message);
  }

  /** Cuts all links: they come up again with what the listener says of this node then. */
  restart(): void {
    this.#transport.restart();
  }
}
