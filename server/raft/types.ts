/**
 * The vocabulary of the consensus core: everything that goes in (events), everything that comes
 * out (effects), and what nodes say to each other (messages), as plain data. The Raft index is
 * the byte offset (docs/ARCHITECTURE.md); the core sees batches as marks and never their
 * bytes.
 */

export type NodeId = string;

/** One batch as the core sees it. */
export interface Mark {
  readonly offset: number;
  readonly end: number;
  readonly term: number;
  /** The chain value after the batch; opaque to the core, compared for equality. */
  readonly chain: string;
  /** What an incarnation batch says; absent from all others. */
  readonly admission?: Admission;
}

/**
 * A node that has lost what it promised (its disk, its term and vote, or the end of its log) comes
 * back as another incarnation of itself. Only the one that the log admitted last counts.
 */
export interface Admission {
  readonly node: NodeId;
  readonly incarnation: number;
}

/** An admission as the log has it. */
export interface AdmissionAt extends Admission {
  /** Where its batch begins and ends. */
  readonly offset: number;
  readonly end: number;
}

/** The incarnation of every node when its cluster begins. */
export const firstIncarnation = 1;

/**
 * What a peer says of itself in a greeting: as its disk has it at that moment. It comes behind all
 * that the peer has said before, on earlier connections.
 */
export interface PeerState {
  readonly incarnation: number;
  /** Another number each time that its process starts. */
  readonly process: number;
  /**
   * As its disk had it when the process started: by now it may have been told of a later one, which
   * would hide that the disk has forgotten some.
   */
  readonly startTerm: number;
  readonly term: number;
  /** Null while its log is being made whole: it does not know yet. */
  readonly durableOffset: number | null;
}

/** Where a term begins in a log. A log's term table is enough to match it against another. */
export interface TermStart {
  readonly term: number;
  readonly startOffset: number;
}

/**
 * Who votes and who only receives. Fixed for now; joint configurations will put a second set of
 * voters here, and quorum arithmetic (quorum.ts) already takes the whole configuration.
 */
export interface Configuration {
  readonly voters: readonly NodeId[];
  readonly learners: readonly NodeId[];
}

export interface RaftOptions {
  readonly id: NodeId;
  readonly configuration: Configuration;
  /** Follower ticks without a leader before it campaigns; each timeout is drawn from [n, 2n). */
  readonly electionTicks: number;
  /** Leader ticks between heartbeats. */
  readonly heartbeatTicks: number;
  /** Log bytes in one append message; a single larger batch still goes alone. */
  readonly messageBytesMax: number;
  readonly inflightMessagesMax: number;
  /** Log bytes sent to a peer and not acknowledged; a single larger batch still goes alone. */
  readonly inflightBytesMax: number;
  /** Batches whose marks are kept behind the commit offset, to resend without reading the disk. */
  readonly recentMarksMax: number;
  /** For election timeouts: the core has no random source of its own. */
  readonly seed: number;
}

/** What a restarted node knows. `endOffset` is verified and durable. */
export interface RaftStart {
  readonly term: number;
  readonly vote: NodeId | null;
  /** Of the whole kept log, ascending. */
  readonly terms: readonly TermStart[];
  readonly endOffset: number;
  readonly endChain: string;
  /** A lower bound of what is committed. */
  readonly commitOffset: number;
  /** Of the whole kept log, ascending. */
  readonly admissions: readonly AdmissionAt[];
  readonly incarnation: number;
  /**
   * False of an incarnation that has not heard yet that it is committed: it neither votes nor
   * acknowledges, and answers nobody.
   */
  readonly admitted: boolean;
}

export type Message =
  | {
      readonly type: 'voteRequest';
      readonly term: number;
      readonly preVote: boolean;
      readonly lastTerm: number;
      readonly endOffset: number;
      readonly transfer: boolean;
    }
  | {
      readonly type: 'voteReply';
      /** A granted pre-vote carries the term that was asked for; everything else the sender's. */
      readonly term: number;
      readonly preVote: boolean;
      readonly granted: boolean;
    }
  | {
      readonly type: 'append';
      readonly term: number;
      readonly prevOffset: number;
      readonly prevTerm: number;
      /** Absent where the leader does not have it at hand. */
      readonly prevChain?: string;
      readonly commitOffset: number;
      readonly marks: readonly Mark[];
    }
  | {
      readonly type: 'appendReply';
      readonly term: number;
      /** End of the prefix that matches this leader's log and is synced. */
      readonly matchOffset: number;
      readonly rejection?: Rejection;
    }
  | {
      readonly type: 'heartbeat';
      readonly term: number;
      readonly commitOffset: number;
      /** The newest ReadIndex round that the leader has begun. */
      readonly round: number;
    }
  | { readonly type: 'heartbeatReply'; readonly term: number; readonly round: number }
  /** From a leader that has nothing to send with it; not answered. */
  | { readonly type: 'commit'; readonly term: number; readonly commitOffset: number }
  | { readonly type: 'timeoutNow'; readonly term: number }
  /** From a leader: the log admits this incarnation, and that is committed. */
  | { readonly type: 'welcome'; readonly term: number; readonly incarnation: number }
  /**
   * This incarnation has promised more than it remembers, or a newer one has taken its place: it
   * has to become another.
   */
  | { readonly type: 'forgotten'; readonly term: number; readonly incarnation: number }
  | { readonly type: 'readIndexRequest'; readonly term: number; readonly id: number }
  | {
      readonly type: 'readIndexReply';
      readonly term: number;
      readonly id: number;
      /** Absent when the node asked does not lead, or lost the lead. */
      readonly offset?: number;
    };

export interface Rejection {
  /** The prevOffset that was refused; the leader ignores a rejection of anything else. */
  readonly prevOffset: number;
  readonly endOffset: number;
  /** The last entries of the follower's term table, ascending. */
  readonly terms: readonly TermStart[];
}

export type Event =
  | { readonly type: 'tick' }
  | {
      readonly type: 'message';
      readonly from: NodeId;
      /** The sender's. A message reaches no other incarnation than the one it was sent to. */
      readonly incarnation: number;
      readonly message: Message;
    }
  /** The leader's new batches, in order, from its end offset on; the first of a term is the no-op. */
  | { readonly type: 'propose'; readonly marks: readonly Mark[] }
  /** Everything below `offset` is on disk, in the log as of `generation`. */
  | { readonly type: 'synced'; readonly generation: number; readonly offset: number }
  /**
   * Messages to that incarnation of the peer get through from now on, or no longer to anyone
   * (null): what was in flight is lost.
   */
  | { readonly type: 'link'; readonly peer: NodeId; readonly incarnation: number | null }
  /** The first that comes on each connection that messages of the peer come on. */
  | { readonly type: 'greeting'; readonly peer: NodeId; readonly state: PeerState }
  /** After `rejoin`: the new incarnation, which is on disk. */
  | { readonly type: 'rejoined'; readonly incarnation: number }
  /** The answer to a `load` effect: batches from the disk, contiguous from what was asked for. */
  | {
      readonly type: 'loaded';
      readonly peer: NodeId;
      readonly offset: number;
      readonly prevChain?: string;
      readonly marks: readonly Mark[];
    }
  /** Asks for an offset that was committed at this moment. `id` comes back in the effect. */
  | { readonly type: 'readIndex'; readonly id: number }
  /** To one peer, or to the one that is furthest. */
  | { readonly type: 'transfer'; readonly to?: NodeId };

/** To be carried out in order; nothing behind a `saveHardState` before that is durable. */
export type Effect =
  | {
      readonly type: 'saveHardState';
      readonly term: number;
      readonly vote: NodeId | null;
      /** The incarnation that may vote and acknowledge; null while this node's is not admitted. */
      readonly admitted: number | null;
    }
  | { readonly type: 'send'; readonly to: NodeId; readonly message: Message }
  /** Cut the log back to `offset`; `synced` events speak of `generation` from now on. */
  | { readonly type: 'truncate'; readonly offset: number; readonly generation: number }
  /** Write these batches, which came with the message being handled, behind the log's end. */
  | { readonly type: 'write'; readonly marks: readonly Mark[]; readonly generation: number }
  /** Read whole batches for a peer from the disk; answer with `loaded`. At most one a peer. */
  | {
      readonly type: 'load';
      readonly peer: NodeId;
      readonly offset: number;
      readonly bytesMax: number;
    }
  | { readonly type: 'commit'; readonly offset: number }
  /** The leader is to propose an incarnation batch that admits this node; said until it has. */
  | { readonly type: 'admit'; readonly admission: Admission }
  /**
   * This node has to become another incarnation: draw one, make it durable, let go of all links,
   * and then step `rejoined`. Until then the core does nothing.
   */
  | { readonly type: 'rejoin' }
  /** Role, term or known leader changed. A new leader must propose its no-op before all else. */
  | {
      readonly type: 'role';
      readonly role: 'follower' | 'candidate' | 'leader';
      readonly term: number;
      readonly leader: NodeId | null;
    }
  /** `offset` absent: not the leader, or no longer; ask again when there is one. */
  | { readonly type: 'readReady'; readonly id: number; readonly offset?: number }
  /** The transfer ended; without success the leader takes appends again. */
  | { readonly type: 'transferEnded'; readonly to: NodeId; readonly ok: boolean }
  /** What the logs say contradicts what Raft proves: stop the node, keep everything. */
  | { readonly type: 'corrupt'; readonly offset: number; readonly reason: string };
