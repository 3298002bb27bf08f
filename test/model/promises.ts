/**
 * What Raft proves (Raft paper, figure 3), and what this log promises besides: checked on one node
 * while something happens to it, and between the nodes of every state.
 */
import type { RaftState } from '../../server/raft/state.js';
import type { Effect, Event, Message, NodeId } from '../../server/raft/types.js';
import type { Chain } from './chain.js';
import { admissionsOf, endOf, lastTermOf, marksOf, prefixAt } from './chain.js';
import { sureOf } from './node.js';
import type { NodeState } from './node.js';

export class BrokenPromise extends Error {}

export function demand(condition: boolean, promise: string): asserts condition {
  if (!condition) throw new BrokenPromise(promise);
}

type Before = RaftState & { readonly commitOffset: number; readonly written: Chain };

/** After the node's core took an event. */
export function checkCore(node: NodeState, before: Before, event: Event): void {
  const { core } = node;
  const { log } = core;
  const isSameIncarnation = core.incarnation === before.incarnation;
  demand(core.term >= before.term || !isSameIncarnation, 'a term never goes back');
  demand(log.commitOffset >= before.commitOffset, 'the commit offset never moves back');
  if (before.role.type === 'leader' && core.term === before.term) {
    demand(node.written.startsWith(before.written), 'a leader only appends');
  }
  if (event.type === 'message' && event.message.type === 'voteRequest' && event.message.preVote) {
    const isSame = core.term === before.term && core.vote === before.vote;
    demand(isSame, 'a pre-vote changes neither term nor vote');
    demand(core.waitingSinceTick === before.waitingSinceTick, 'a pre-vote is no sign of a leader');
  }
  if (event.type === 'message' && event.message.type === 'voteRequest') {
    const isRefused = event.message.transfer || !hears(before) || core.term === before.term;
    demand(isRefused, 'nobody who hears a leader votes');
  }
  if (node.queue.length > 0) return;
  if (isAdmitted(node)) {
    demand(core.term === node.term && core.vote === node.vote, 'term and vote are on disk');
  }
  demand(core.admitted === node.admitted || !isAdmitted(node), 'the admission is on disk');
  const isKnown =
    log.endOffset === endOf(node.written) &&
    (log.terms.at(-1)?.term ?? 0) === lastTermOf(node.written);
  demand(isKnown, 'the core knows its log');
  demand(log.commitOffset <= log.endOffset, 'a log is committed up to its end at most');
  demand(log.durableOffset <= endOf(sureOf(node)), 'what the core calls durable is on disk');
}

function hears({ role, tick, waitingSinceTick }: Before): boolean {
  if (role.type === 'leader') return true;
  return role.type === 'follower' && role.leader !== null && waitingSinceTick === tick;
}

/** Before term and vote of the node are replaced on disk. */
export function checkSave(node: NodeState, save: Extract<Effect, { type: 'saveHardState' }>): void {
  // Who is not admitted has promised nothing.
  if (!isAdmitted(node)) return;
  demand(save.admitted === node.admitted, 'who is admitted stays so');
  demand(save.term >= node.term, 'a durable term never goes back');
  const isKept = save.term > node.term || node.vote === null || node.vote === save.vote;
  demand(isKept, 'one vote a term');
}

/** Whether the node's disk says that it may vote and acknowledge. */
export function isAdmitted(node: NodeState): boolean {
  return node.admitted === node.incarnation;
}

/** When a message really leaves a node: what it says must be on its disk. */
export function checkMessage(node: NodeState, to: NodeId, message: Message): void {
  demand(isAdmitted(node), 'who is not admitted says nothing');
  if (message.type === 'voteReply' && message.preVote) return;
  if (message.type === 'voteRequest' && message.preVote) return;
  demand(node.term >= message.term, 'a term is durable before it is told');
  if (message.type === 'voteReply' && message.granted) {
    demand(node.term === message.term && node.vote === to, 'a vote is durable before it is told');
  }
  if (message.type === 'voteRequest') {
    demand(node.term === message.term && node.vote === node.id, 'a candidate votes for itself');
  }
  if (message.type === 'appendReply') {
    const isDurable = prefixAt(sureOf(node), message.matchOffset) !== null;
    demand(isDurable, 'what is acknowledged is durable');
  }
  if (message.type === 'welcome') {
    const committed = prefixAt(node.written, node.core.log.commitOffset) ?? '';
    const last = admissionsOf(committed).findLast((admission) => admission.node === to);
    demand(last?.incarnation === message.incarnation, 'who is welcome is admitted');
  }
}

/** A node as the others see it in a check: a small part of its state. */
export interface Face {
  readonly id: NodeId;
  readonly incarnation: number;
  readonly isAdmitted: boolean;
  readonly role: RaftState['role']['type'];
  readonly term: number;
  readonly log: Chain;
  readonly sure: Chain;
  readonly commitOffset: number;
  readonly matchedOffset: number;
  /** What a leader believes its peers to have on disk, and as which incarnation. */
  readonly peers: Readonly<Record<NodeId, Known>>;
  /** Whom it believes to have forgotten a promise, as which incarnation. */
  readonly forgetful: Readonly<Record<NodeId, number>>;
}

interface Known {
  readonly matchOffset: number;
  readonly incarnation: number | null;
}

export function faceOf(node: NodeState): Face {
  const { role, term, matchedOffset, links, log } = node.core;
  const peers = role.type === 'leader' ? role.peers : [];
  const known = peers.map(({ id, matchOffset }) => {
    const incarnation = links.find(({ peer }) => peer === id)?.incarnation ?? null;
    return [id, { matchOffset, incarnation }];
  });
  // What waits for a save has not happened yet.
  const isDone = node.queue.length === 0;
  return {
    id: node.id,
    incarnation: node.incarnation,
    isAdmitted: isAdmitted(node),
    role: role.type,
    term,
    log: node.written,
    sure: sureOf(node),
    commitOffset: isDone ? log.commitOffset : 0,
    matchedOffset: isDone && role.type !== 'leader' ? matchedOffset : 0,
    peers: Object.fromEntries(known),
    forgetful: Object.fromEntries(
      links.filter(({ forgotten }) => forgotten).map((link) => [link.peer, link.incarnation]),
    ),
  };
}

/** Between two nodes, in both directions. */
export function checkPair(one: Face, other: Face): void {
  checkMatching(one.log, other.log);
  checkMatching(one.sure, other.log);
  checkMatching(one.log, other.sure);
  checkLed(one, other);
  checkLed(other, one);
  for (const [face, peer] of [
    [one, other],
    [other, one],
  ] as const) {
    const isTrusted = face.forgetful[peer.id] !== peer.incarnation;
    demand(isTrusted, 'nobody is called forgetful who remembers');
  }
}

/** Log matching: one term and end means one log up to there. */
function checkMatching(one: Chain, other: Chain): void {
  for (const mark of marksOf(one)) {
    const twin = marksOf(other).find(({ term, end }) => term === mark.term && end === mark.end);
    demand(twin === undefined || twin.chain === mark.chain, 'log matching');
  }
}

function checkLed(leader: Face, peer: Face): void {
  if (leader.role !== 'leader' || peer.term > leader.term) return;
  const known = leader.peers[peer.id];
  // What another incarnation had may be lost: only its successor's admission is counted without it.
  if (known !== undefined && known.incarnation === peer.incarnation) {
    const { matchOffset } = known;
    const isHeld =
      matchOffset <= endOf(peer.sure) &&
      prefixAt(peer.sure, matchOffset) === prefixAt(leader.log, matchOffset);
    demand(isHeld, 'what a leader counts is on the disk of its peer');
  }
  if (peer.term < leader.term) return;
  demand(peer.role !== 'leader', 'election safety: one leader a term');
  const matched = prefixAt(peer.log, peer.matchedOffset);
  demand(matched !== null && leader.log.startsWith(matched), "a matched prefix is the leader's");
}

/** The longest log that the leader of a term called committed. */
export interface Commit {
  readonly term: number;
  readonly log: Chain;
}

/** Against all that was ever called committed, each longer than the one before. */
export function checkCommitted(face: Face, commits: readonly Commit[]): void {
  const own = prefixAt(face.log, face.commitOffset);
  const longest = commits.at(-1)?.log ?? '';
  demand(own !== null && longest.startsWith(own), 'what is committed never changes');
  if (face.role !== 'leader') return;
  // What a later leader committed need not be in this log.
  const earlier = commits.findLast(({ term }) => term < face.term)?.log ?? '';
  demand(face.log.startsWith(earlier), 'leader completeness');
}
