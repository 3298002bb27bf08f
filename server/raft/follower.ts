/** What a follower does with its leader's messages (Raft paper, section 5.3). */
import { advanceCommit, isAdmitted, reportCorrupt, send } from './core.js';
import type { Core } from './core.js';
import { compareMark, extendLog, sameChain, truncateLog } from './log.js';
import { isRun } from './marks.js';
import { becomeFollower, enterRole, followerOf } from './role.js';
import { termBefore, termsBelow } from './terms.js';
import type { Mark, Message, NodeId, Rejection } from './types.js';

type Append = Extract<Message, { type: 'append' }>;
type Heartbeat = Extract<Message, { type: 'heartbeat' }>;
type Commit = Extract<Message, { type: 'commit' }>;
type Welcome = Extract<Message, { type: 'welcome' }>;

/** Entries of the term table in a rejection. */
const rejectionTermsMax = 64;

export function onAppend(core: Core, from: NodeId, append: Append): void {
  const { state } = core;
  const { log } = state;
  const { prevOffset, prevTerm, prevChain, marks } = append;
  if (!hearLeader(core, from)) return;
  if (!isRun(marks, prevOffset, prevTerm) || (marks.at(-1)?.term ?? prevTerm) > append.term) {
    return reportCorrupt(core, prevOffset, 'the batches of an append do not follow each other');
  }
  const isAbsent = prevOffset > log.endOffset;
  if (isAbsent || (prevOffset > 0 && termBefore(log.terms, prevOffset) !== prevTerm)) {
    return reject(core, from, prevOffset);
  }
  if (prevChain !== undefined && !sameChain(log, prevOffset, prevChain)) {
    return reportCorrupt(core, prevOffset, 'the logs differ within a term');
  }
  const added = reconcile(core, marks);
  if (added === null) return;
  if (added.length > 0) {
    extendLog(log, added, state.tick);
    core.effects.push({ type: 'write', marks: added, generation: log.generation });
  }
  state.matchedOffset = Math.max(state.matchedOffset, marks.at(-1)?.end ?? prevOffset);
  followCommit(core, append.commitOffset);
  if (added.length === 0) acknowledgeTo(core, from);
}

export function onHeartbeat(core: Core, from: NodeId, heartbeat: Heartbeat): void {
  if (!hearLeader(core, from)) return;
  followCommit(core, heartbeat.commitOffset);
  const { round } = heartbeat;
  send(core, from, { type: 'heartbeatReply', term: core.state.term, round });
}

export function onCommit(core: Core, from: NodeId, { commitOffset }: Commit): void {
  if (hearLeader(core, from)) followCommit(core, commitOffset);
}

/**
 * From now on this incarnation votes and acknowledges. Its vote in this term is the leader's, so
 * that it votes in later terms only: what the one before it promised in earlier ones stays true.
 */
export function onWelcome(core: Core, from: NodeId, { term }: Welcome): void {
  const { state } = core;
  if (!isAdmitted(state)) {
    enterRole(core, followerOf(from), { term, vote: from, admitted: state.incarnation });
  }
  onHeartbeat(core, from, { type: 'heartbeat', term, commitOffset: 0, round: 0 });
}

/** The disk got further: tells the leader if that counts for it. */
export function acknowledgeSynced(core: Core, durableBefore: number): void {
  const { role, matchedOffset } = core.state;
  if (role.type !== 'follower' || role.leader === null) return;
  if (matchedOffset > durableBefore) acknowledgeTo(core, role.leader);
}

/** Tells a leader of an older term that there is a newer one. */
export function answerDeposed(core: Core, from: NodeId): void {
  send(core, from, { type: 'heartbeatReply', term: core.state.term, round: 0 });
}

/** Follows the sender, which leads this term; false if that cannot be. */
function hearLeader(core: Core, from: NodeId): boolean {
  const { state } = core;
  const { role } = state;
  if (role.type === 'leader' || (role.type === 'follower' && (role.leader ?? from) !== from)) {
    reportCorrupt(core, state.log.commitOffset, `two leaders in term ${state.term}`);
    return false;
  }
  if (role.type === 'follower' && role.leader === from) state.waitingSinceTick = state.tick;
  else becomeFollower(core, state.term, from);
  return true;
}

/** Cuts off what contradicts the leader's batches; returns those to write, or null if corrupt. */
function reconcile(core: Core, marks: readonly Mark[]): readonly Mark[] | null {
  const { log, matchedOffset } = core.state;
  for (const [index, mark] of marks.entries()) {
    const comparison = compareMark(log, mark);
    if (comparison === 'same') continue;
    if (comparison === 'contradiction') {
      reportCorrupt(core, mark.offset, 'two batches at one offset in one term');
      return null;
    }
    if (comparison === 'conflict') {
      if (mark.offset < Math.max(log.commitOffset, matchedOffset)) {
        reportCorrupt(core, mark.offset, 'a leader overwrites what is committed');
        return null;
      }
      truncateLog(log, mark.offset);
      const { generation } = log;
      core.effects.push({ type: 'truncate', offset: mark.offset, generation });
    }
    return marks.slice(index);
  }
  return [];
}

/** Never the own end: behind the matched prefix may lie what this leader will overwrite. */
function followCommit(core: Core, leaderCommit: number): void {
  advanceCommit(core, Math.min(leaderCommit, core.state.matchedOffset));
}

function reject(core: Core, leader: NodeId, prevOffset: number): void {
  const { log } = core.state;
  if (prevOffset <= log.commitOffset) {
    return reportCorrupt(core, prevOffset, 'a leader lacks what is committed');
  }
  const terms = termsBelow(log.terms, prevOffset, rejectionTermsMax);
  acknowledgeTo(core, leader, { prevOffset, endOffset: log.endOffset, terms });
}

function acknowledgeTo(core: Core, leader: NodeId, rejection?: Rejection): void {
  const { log, matchedOffset, term } = core.state;
  send(core, leader, {
    type: 'appendReply',
    term,
    matchOffset: Math.min(log.durableOffset, matchedOffset),
    ...(rejection !== undefined && { rejection }),
  });
}
