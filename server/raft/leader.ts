/** What a leader does: orders, replicates, counts acknowledgements, and stops when in doubt. */
import { assert } from './assert.js';
import { advanceCommit, isDiskStalled, reportCorrupt } from './core.js';
import type { Core } from './core.js';
import { isCounted, isDiscounted } from './links.js';
import { extendLog } from './log.js';
import {
  acknowledge,
  createProgress,
  findProgress,
  forgetProgress,
  hear,
  isAskedFor,
  probeFrom,
  progressOf,
} from './progress.js';
import type { Progress } from './progress.js';
import { isQuorum, peersOf, quorumValue } from './quorum.js';
import { serveReads } from './read-index.js';
import { askIfLost, replicate, sendHeartbeat } from './replication.js';
import { becomeFollower, enterRole } from './role.js';
import type { Leader } from './state.js';
import { commonPoint } from './terms.js';
import { promptTarget } from './transfer.js';
import type { Mark, Message, Rejection } from './types.js';

type AppendReply = Extract<Message, { type: 'appendReply' }>;

/** The driver answers the role effect with the term's no-op, which begins the replication. */
export function becomeLeader(core: Core): void {
  const { tick, log } = core.state;
  const { id, configuration } = core.options;
  const startOffset = log.endOffset;
  const peers = peersOf(configuration, id).map((peer) => createProgress(peer, startOffset, tick));
  const reads = { round: 0, running: [], waiting: [] };
  for (const peer of peers) forgetIfDiscounted(core, peer);
  enterRole(core, { type: 'leader', startOffset, peers, reads, heartbeatTick: tick });
}

/**
 * What a peer said as another incarnation, or before it lost it, counts for nothing: it has
 * acknowledged nothing, confirmed nothing, and has not been heard.
 */
export function forgetIfDiscounted(core: Core, peer: Progress): void {
  if (!isDiscounted(core, peer.id)) return;
  const { log, tick } = core.state;
  forgetProgress(peer, log.endOffset, tick - core.options.electionTicks);
}

export function propose(core: Core, marks: readonly Mark[]): void {
  const { role, term, log, tick, transfer } = core.state;
  assert(role.type === 'leader', 'only a leader proposes');
  const isFirst = log.endOffset === role.startOffset;
  assert(transfer === null || isFirst, 'a leader that hands over takes no appends');
  assert(
    marks.every((mark) => mark.term === term),
    'a leader proposes in its own term',
  );
  extendLog(log, marks, tick);
  for (const { admission } of marks) {
    const peer = admission && findProgress(role.peers, admission.node);
    if (peer !== undefined) forgetIfDiscounted(core, peer);
  }
}

/** Does everything that an event has made possible; nothing before the no-op. */
export function settle(core: Core, leader: Leader): void {
  if (core.state.log.endOffset === leader.startOffset) return;
  commitByQuorum(core, leader);
  serveReads(core, leader);
  promptTarget(core, leader);
  for (const peer of leader.peers) replicate(core, peer);
}

export function onAppendReply(core: Core, peer: Progress, reply: AppendReply): void {
  const { tick, log } = core.state;
  const { matchOffset, rejection } = reply;
  hear(peer, tick);
  if (matchOffset > log.endOffset) {
    return reportCorrupt(core, matchOffset, `${peer.id} acknowledges what was never written`);
  }
  acknowledge(peer, matchOffset, tick);
  if (rejection !== undefined) onRejection(core, peer, rejection);
  else if (peer.mode === 'probe') peer.mode = 'replicate';
}

export function onHeartbeatReply(core: Core, peer: Progress, round: number): void {
  hear(peer, core.state.tick);
  peer.confirmedRound = Math.max(peer.confirmedRound, round);
}

export function tickLeader(core: Core, leader: Leader): void {
  const { tick, term } = core.state;
  if (isDiskStalled(core) || !hearsQuorum(core, leader)) return becomeFollower(core, term, null);
  for (const peer of leader.peers) askIfLost(core, peer);
  if (tick - leader.heartbeatTick < core.options.heartbeatTicks) return;
  leader.heartbeatTick = tick;
  for (const peer of leader.peers) if (isCounted(core, peer.id)) sendHeartbeat(core, leader, peer);
}

function onRejection(core: Core, peer: Progress, rejection: Rejection): void {
  const { log } = core.state;
  if (!isAskedFor(peer, rejection.prevOffset)) return;
  const common = commonPoint(log.terms, log.endOffset, rejection);
  if (common.type === 'contradiction') {
    return reportCorrupt(core, common.offset, `${peer.id} has another beginning of a term`);
  }
  probeFrom(peer, common.offset);
}

/** Counts only over batches of its own term (Raft paper, section 5.4.2). */
function commitByQuorum(core: Core, leader: Leader): void {
  const { id, configuration } = core.options;
  const { log } = core.state;
  const offset = quorumValue(configuration, (voter) =>
    voter === id ? log.durableOffset : progressOf(leader.peers, voter).matchOffset,
  );
  if (offset > leader.startOffset) advanceCommit(core, offset);
}

/** The check-quorum of section 6.2 of the dissertation. */
function hearsQuorum(core: Core, leader: Leader): boolean {
  const { id, configuration, electionTicks } = core.options;
  const sinceTick = core.state.tick - electionTicks;
  return isQuorum(
    configuration,
    (voter) => voter === id || progressOf(leader.peers, voter).heardTick > sinceTick,
  );
}
