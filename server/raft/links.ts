/** The peers as this node has met them, and whether what they say counts. */
import { lastAdmission } from './admissions.js';
import type { Core } from './core.js';
import { progressOf } from './progress.js';
import type { Link } from './state.js';
import { firstIncarnation } from './types.js';
import type { Message, NodeId, PeerState } from './types.js';

export function findLink(core: Core, peer: NodeId): Link | undefined {
  return core.state.links.find((link) => link.peer === peer);
}

/** The peer as this incarnation; whatever another one has said is forgotten. */
export function meet(core: Core, peer: NodeId, incarnation: number): Link {
  const { state } = core;
  const known = findLink(core, peer);
  if (known?.incarnation === incarnation) return known;
  const link = { peer, up: false, incarnation, process: null, term: 0, forgotten: false };
  state.links = [...state.links.filter((other) => other !== known), link];
  return link;
}

/** Notes whether the peer has forgotten what it promised as the incarnation that it still is. */
export function compareWithPast(core: Core, link: Link, peerState: PeerState): void {
  const { process, startTerm } = peerState;
  // Everything heard so far is of earlier processes: this one says nothing before its greeting.
  const isNew = process !== link.process;
  link.forgotten ||= (isNew && startTerm < link.term) || hasLessThanMatched(core, link, peerState);
  link.process = process;
}

export function part(core: Core, peer: NodeId): void {
  const link = findLink(core, peer);
  if (link !== undefined) link.up = false;
}

/** Remembers the term of a message: a term is durable before it is told. */
export function hearTerm(link: Link, message: Message): void {
  if (!isHypothetical(message)) link.term = Math.max(link.term, message.term);
}

/** A pre-vote and its grant speak of a term that nobody has entered. */
export function isHypothetical(message: Message): boolean {
  if (message.type === 'voteRequest') return message.preVote;
  return message.type === 'voteReply' && message.preVote && message.granted;
}

/**
 * Whether votes and acknowledgements of the peer count: if the log admitted this incarnation of it
 * last. A leader that ordered that batch itself waits until it is committed; the peer is not
 * counted for that. If an earlier leader ordered it, an answer proves that it is: no incarnation
 * answers before a leader that had committed its admission told it so, in a term that is not later
 * than the answer's, and what was committed then is in the log of every later leader. To wait here
 * as well could leave that peer and a new leader, a majority, without anybody to go on.
 */
export function counts(core: Core, { peer, incarnation, forgotten }: Link): boolean {
  const { role, log } = core.state;
  if (forgotten) return false;
  const admission = lastAdmission(log.admissions, peer);
  if (admission === undefined) return incarnation === firstIncarnation;
  if (admission.incarnation !== incarnation) return false;
  const isOwn = role.type === 'leader' && admission.offset >= role.startOffset;
  return !isOwn || admission.end <= log.commitOffset;
}

/** Whether the peer, as it came last, is one whose answers do not count. */
export function isDiscounted(core: Core, peer: NodeId): boolean {
  const link = findLink(core, peer);
  return link !== undefined && !counts(core, link);
}

/** Whether messages get through to the peer, and what it answers counts. */
export function isCounted(core: Core, peer: NodeId): boolean {
  const link = findLink(core, peer);
  return link !== undefined && link.up && counts(core, link);
}

/** Whether the peer's log ends before what it has acknowledged to this leader. */
function hasLessThanMatched(core: Core, known: Link, peerState: PeerState): boolean {
  const { role, term } = core.state;
  // In a later term another leader may have cut its log back.
  if (role.type !== 'leader' || peerState.term > term) return false;
  const { matchOffset } = progressOf(role.peers, known.peer);
  const { durableOffset } = peerState;
  return durableOffset !== null && durableOffset < matchOffset;
}
