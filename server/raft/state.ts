/**
 * Everything that a core remembers: plain data that can be cloned, compared and hashed. Moments
 * are counted in ticks since the core began.
 */
import { createLog, lastTerm } from './log.js';
import type { Log } from './log.js';
import type { Progress } from './progress.js';
import type { NodeId, RaftStart } from './types.js';

/** What is on disk before anything else that depends on it. */
export interface HardState {
  readonly term: number;
  readonly vote: NodeId | null;
  /** The incarnation that may vote and acknowledge. */
  readonly admitted: number | null;
}

export interface RaftState {
  term: number;
  vote: NodeId | null;
  admitted: number | null;
  incarnation: number;
  /** This incarnation is over, and the next one is not there yet. */
  rejoining: boolean;
  role: Role;
  readonly log: Log;
  /**
   * End of the prefix known to be the same as in the log of this term's leader. It outlives a
   * campaign that comes to nothing, since a term has one leader at most.
   */
  matchedOffset: number;
  tick: number;
  /** When the leader was last heard, the vote given or the campaign begun. */
  waitingSinceTick: number;
  electionTimeoutTicks: number;
  randomSeed: number;
  /** Every peer that has come once, as it came last. */
  links: Link[];
  transfer: Transfer | null;
}

export interface Link {
  readonly peer: NodeId;
  /** Messages get through. */
  up: boolean;
  readonly incarnation: number;
  /** The one that greeted last; null before the first greeting of this incarnation. */
  process: number | null;
  /** The latest term that this incarnation has told this node. */
  term: number;
  /** It came back with an older directory: nothing of it counts until it is another incarnation. */
  forgotten: boolean;
}

export type Role = Follower | Candidate | Leader;

export interface Follower {
  readonly type: 'follower';
  readonly leader: NodeId | null;
  /** Questions put to the leader and not answered yet, oldest first. */
  readonly forwarded: ForwardedRead[];
}

export interface Candidate {
  readonly type: 'candidate';
  readonly stage: 'preVote' | 'vote';
  readonly granted: NodeId[];
}

export interface Leader {
  readonly type: 'leader';
  /** Where its term begins: the offset of its no-op. */
  readonly startOffset: number;
  readonly peers: Progress[];
  readonly reads: Reads;
  heartbeatTick: number;
}

export interface ForwardedRead {
  readonly id: number;
  readonly expiresTick: number;
}

/** A ReadIndex question at the leader; `from` is null if it was asked on this very node. */
export interface Read {
  readonly id: number;
  readonly from: NodeId | null;
}

export interface Reads {
  /** The newest round that was begun. */
  round: number;
  /** Answered when a quorum has confirmed that round. */
  running: Read[];
  /** For the round after it. */
  waiting: Read[];
}

export interface Transfer {
  readonly to: NodeId;
  /** In which it was asked for; a leader of a later one ends it. */
  readonly term: number;
  readonly deadlineTick: number;
  /** Whether the target has been told to campaign. */
  told: boolean;
}

export function createState(start: RaftStart, seed: number): RaftState {
  const { incarnation } = start;
  const log = createLog(start);
  // Term and vote were those of another incarnation, or got lost: see incarnation.ts.
  const hardState: HardState = start.admitted
    ? { term: start.term, vote: start.vote, admitted: incarnation }
    : { term: lastTerm(log), vote: null, admitted: null };
  return {
    ...hardState,
    incarnation,
    rejoining: false,
    role: { type: 'follower', leader: null, forwarded: [] },
    log,
    matchedOffset: 0,
    tick: 0,
    waitingSinceTick: 0,
    electionTimeoutTicks: 0,
    randomSeed: seed,
    links: [],
    transfer: null,
  };
}
