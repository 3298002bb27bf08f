/**
 * What nodes say to each other, above the consensus core: its messages, with each append's marks
 * replaced by the batches themselves, as references or inline. The transport that carries them is
 * an interface, so that a simulator can take the place of sockets (rpc/peer-transport.ts).
 */
import type { Message, NodeId, PeerState } from './raft/types.js';

/** One batch of an append: a reference, or inline with its body. */
export type Item =
  | {
      readonly type: 'reference';
      readonly headerBytes: Buffer;
      /** AES-128-GMAC of the body under the append's digestKey: uploads/digest.ts. */
      readonly digest: Buffer;
    }
  | { readonly type: 'inline'; readonly headerBytes: Buffer; readonly body: Buffer };

type CoreAppend = Extract<Message, { type: 'append' }>;

export type PeerAppend = Omit<CoreAppend, 'marks'> & {
  /** The leader's key for the digests of this term. */
  readonly digestKey: Buffer;
  /** A run of batches from prevOffset on. */
  readonly items: readonly Item[];
};

export type PeerMessage =
  | Exclude<Message, { type: 'append' }>
  | PeerAppend
  /** A follower lacks the bodies of these batches, which it was sent references for. */
  | { readonly type: 'bodyRequest'; readonly term: number; readonly offsets: readonly number[] }
  | { readonly type: 'bodies'; readonly term: number; readonly items: readonly Item[] }
  /** A node asks any other for what its own disk has lost: batches from the one at `offset` on. */
  | {
      readonly type: 'repairRequest';
      readonly term: number;
      readonly id: number;
      readonly offset: number;
      readonly bytesMax: number;
    }
  /**
   * Durable and verified, inline, contiguous from `offset` on; none if this node has none there, or
   * may have had one that it cannot give, and so has `lost`.
   */
  | {
      readonly type: 'repairReply';
      readonly term: number;
      readonly id: number;
      readonly items: readonly Item[];
      readonly lost: boolean;
    };

export interface PeerHandlers {
  /** `incarnation` is the sender's. */
  onMessage(from: NodeId, incarnation: number, message: PeerMessage): void;
  /** Messages to that incarnation of the peer get through from now on, or to nobody (null). */
  onLink(peer: NodeId, incarnation: number | null): void;
  /** Before any message of a connection, and behind all of the one before. */
  onGreeting(peer: NodeId, state: PeerState): void;
  /** A peer has said where it serves clients. */
  onAddress(peer: NodeId, clientAddress: string): void;
}

export interface PeerTransport {
  /** Begins to dial and to listen; `state` is what this node greets others with. */
  start(handlers: PeerHandlers, state: () => PeerState): void;
  /** Cuts every link, to come back with what `state` says then. */
  restart(): void;
  /** Drops the message where there is no link; a link with too much queued is cut. */
  send(to: NodeId, message: PeerMessage): void;
  close(): Promise<void>;
}
