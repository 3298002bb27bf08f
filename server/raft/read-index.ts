/**
 * Linearizable questions (Ongaro's dissertation, section 6.4): what was committed when a round of
 * a quorum, begun after the question, found that this leader still leads.
 */
import { send } from './core.js';
import type { Core } from './core.js';
import { isCounted } from './links.js';
import { progressOf } from './progress.js';
import { isQuorum } from './quorum.js';
import { sendHeartbeat } from './replication.js';
import type { Follower, Leader, Read, Role } from './state.js';
import type { NodeId } from './types.js';

/** Questions that wait for an answer at one node; one more is answered without an offset. */
export const readsMax = 4096;

/** A question asked on this node. */
export function onReadIndex(core: Core, id: number): void {
  const { role } = core.state;
  if (role.type === 'leader') return addRead(core, role, { id, from: null });
  if (role.type === 'candidate' || role.leader === null || role.forwarded.length >= readsMax) {
    return answer(core, { id, from: null });
  }
  const expiresTick = core.state.tick + core.options.electionTicks;
  role.forwarded.push({ id, expiresTick });
  send(core, role.leader, { type: 'readIndexRequest', term: core.state.term, id });
}

/** A question that another node forwarded. */
export function onReadIndexRequest(core: Core, from: NodeId, id: number): void {
  const { role } = core.state;
  if (role.type === 'leader') addRead(core, role, { id, from });
  else answer(core, { id, from });
}

export function onReadIndexReply(core: Core, id: number, offset: number | undefined): void {
  const { role } = core.state;
  if (role.type !== 'follower') return;
  const index = role.forwarded.findIndex((read) => read.id === id);
  if (index < 0) return;
  role.forwarded.splice(index, 1);
  answer(core, { id, from: null }, offset);
}

/** Answers the round that is running, if a quorum has confirmed it, and begins the next. */
export function serveReads(core: Core, leader: Leader): void {
  const { reads } = leader;
  // Before a batch of its own term is committed, a leader does not know what is.
  if (core.state.log.commitOffset <= leader.startOffset) return;
  if (reads.running.length > 0 && isConfirmed(core, leader)) answerRound(core, leader);
  if (reads.running.length > 0 || reads.waiting.length === 0) return;
  reads.round += 1;
  reads.running = reads.waiting;
  reads.waiting = [];
  for (const peer of leader.peers) if (isCounted(core, peer.id)) sendHeartbeat(core, leader, peer);
  if (isConfirmed(core, leader)) answerRound(core, leader);
}

/** The reply to a forwarded question may be lost: gives up after an election timeout. */
export function expireForwarded(core: Core, follower: Follower): void {
  const { forwarded } = follower;
  for (let read = forwarded[0]; read !== undefined; read = forwarded[0]) {
    if (read.expiresTick > core.state.tick) return;
    forwarded.shift();
    answer(core, { id: read.id, from: null });
  }
}

/** Answers everything that waits in a role that ends, without an offset. */
export function abandonReads(core: Core, role: Role): void {
  if (role.type === 'follower') {
    for (const { id } of role.forwarded.splice(0)) answer(core, { id, from: null });
  } else if (role.type === 'leader') {
    const { running, waiting } = role.reads;
    for (const read of [...running, ...waiting]) answer(core, read);
  }
}

function addRead(core: Core, leader: Leader, read: Read): void {
  const { running, waiting } = leader.reads;
  if (running.length + waiting.length >= readsMax) answer(core, read);
  else waiting.push(read);
}

function isConfirmed(core: Core, leader: Leader): boolean {
  const { id, configuration } = core.options;
  const { round } = leader.reads;
  return isQuorum(
    configuration,
    (voter) => voter === id || progressOf(leader.peers, voter).confirmedRound >= round,
  );
}

function answerRound(core: Core, leader: Leader): void {
  const { commitOffset } = core.state.log;
  for (const read of leader.reads.running) answer(core, read, commitOffset);
  leader.reads.running = [];
}

function answer(core: Core, read: Read, offset?: number): void {
  const { id, from } = read;
  const known = offset !== undefined && { offset };
  if (from === null) core.effects.push({ type: 'readReady', id, ...known });
  else send(core, from, { type: 'readIndexReply', term: core.state.term, id, ...known });
}
