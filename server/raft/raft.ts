/**
 * The consensus core: a function from events to effects over a plain state (types.ts has the
 * vocabulary). It knows no file, socket, clock or random source; only `tick` moves its time.
 * Sources: Ongaro and Ousterhout, "In Search of an Understandable Consensus Algorithm" (2014), and
 * Ongaro's dissertation, "Consensus: Bridging Theory and Practice" (2014).
 */
import { assert } from './assert.js';
import { trimLog } from './core.js';
import type { Core } from './core.js';
import { campaignIfDue, onTimeoutNow, onVoteReply, onVoteRequest } from './election.js';
import { acknowledgeSynced, answerDeposed, onAppend, onHeartbeat } from './follower.js';
import { onAppendReply, onHeartbeatReply, propose, settle, tickLeader } from './leader.js';
import { lastTerm, markSynced } from './log.js';
import { findProgress, restartProbe } from './progress.js';
import type { Progress } from './progress.js';
import { isMember } from './quorum.js';
import {
  abandonReads,
  expireForwarded,
  onReadIndex,
  onReadIndexReply,
  onReadIndexRequest,
} from './read-index.js';
import { onLoaded } from './replication.js';
import { becomeFollower, leaderOf, restartElectionTimeout } from './role.js';
import { createState } from './state.js';
import type { RaftState } from './state.js';
import { expireTransfer, onTransfer } from './transfer.js';
import type { Effect, Event, Message, NodeId, RaftOptions, RaftStart, TermStart } from './types.js';

export class Raft {
  readonly #options: RaftOptions;
  readonly #state: RaftState;

  /** A node that starts is a follower without a leader; `start` may be another core's state. */
  constructor(options: RaftOptions, start: RaftStart | RaftState) {
    checkOptions(options);
    this.#options = options;
    if ('role' in start) {
      this.#state = start;
      return;
    }
    this.#state = createState(start, options.seed);
    assert(lastTerm(this.#state.log) <= start.term, 'the log has a later term than the hard state');
    restartElectionTimeout(this.#state, options);
  }

  /** A core that goes on from `state`, which it takes over. */
  static from(options: RaftOptions, state: RaftState): Raft {
    return new Raft(options, state);
  }

  /**
   * Takes one event. The effects are to be carried out in order, all of them. There is no `write`
   * for what is proposed: the leader's driver writes that by itself.
   */
  step(event: Event): Effect[] {
    const core: Core = { options: this.#options, state: this.#state, effects: [] };
    dispatch(core, event);
    const { role } = this.#state;
    if (role.type === 'leader') settle(core, role);
    return core.effects;
  }

  /** The live state; clone it to keep it. */
  get state(): RaftState {
    return this.#state;
  }

  /** What the leader knows of a peer; undefined on any other node. */
  progress(peer: NodeId): Readonly<Progress> | undefined {
    const { role } = this.#state;
    return role.type === 'leader' ? findProgress(role.peers, peer) : undefined;
  }

  get role(): 'follower' | 'candidate' | 'leader' {
    return this.#state.role.type;
  }

  get term(): number {
    return this.#state.term;
  }

  get leader(): NodeId | null {
    return leaderOf(this.#state.role, this.#options.id);
  }

  get commitOffset(): number {
    return this.#state.log.commitOffset;
  }

  /** Behind everything proposed or handed out to be written. */
  get endOffset(): number {
    return this.#state.log.endOffset;
  }

  get durableOffset(): number {
    return this.#state.log.durableOffset;
  }

  get generation(): number {
    return this.#state.log.generation;
  }

  get terms(): readonly TermStart[] {
    return this.#state.log.terms;
  }

  /** The leader is handing over and takes no appends. */
  get transferring(): boolean {
    return this.#state.role.type === 'leader' && this.#state.transfer !== null;
  }
}

function checkOptions(options: RaftOptions): void {
  const { id, configuration, electionTicks, heartbeatTicks } = options;
  assert(isMember(configuration, id), 'a node belongs to its configuration');
  assert(heartbeatTicks >= 1, 'a leader needs a tick between heartbeats');
  assert(electionTicks > heartbeatTicks, 'an election timeout is longer than a heartbeat');
  assert(options.inflightMessagesMax >= 1, 'a leader sends at least one message at a time');
}

function dispatch(core: Core, event: Event): void {
  switch (event.type) {
    case 'tick':
      return onTick(core);
    case 'message':
      return onMessage(core, event.from, event.message);
    case 'propose':
      return propose(core, event.marks);
    case 'synced':
      return onSynced(core, event.generation, event.offset);
    case 'link':
      return onLink(core, event.peer, event.up);
    case 'loaded': {
      const peer = peerOf(core, event.peer);
      return peer && onLoaded(core, peer, event);
    }
    case 'readIndex':
      return onReadIndex(core, event.id);
    case 'transfer':
      return onTransfer(core, event.to);
  }
}

function onTick(core: Core): void {
  const { state } = core;
  state.tick += 1;
  expireTransfer(core);
  if (state.role.type === 'leader') return tickLeader(core, state.role);
  if (state.role.type === 'follower') expireForwarded(core, state.role);
  campaignIfDue(core);
}

function onSynced(core: Core, generation: number, offset: number): void {
  const { log, tick } = core.state;
  const before = log.durableOffset;
  if (!markSynced(log, generation, offset, tick)) return;
  trimLog(core);
  acknowledgeSynced(core, before);
}

function onLink(core: Core, id: NodeId, up: boolean): void {
  const { state } = core;
  state.links = state.links.filter((peer) => peer !== id);
  if (up) state.links.push(id);
  const peer = peerOf(core, id);
  if (peer !== undefined) restartProbe(peer);
  if (!up && state.role.type === 'follower' && state.role.leader === id) {
    abandonReads(core, state.role);
  }
}

/** Terms come first (Raft paper, section 5.1): a later one is taken over, an older one ignored. */
function onMessage(core: Core, from: NodeId, message: Message): void {
  const { options, state } = core;
  if (from === options.id || !isMember(options.configuration, from)) return;
  if (message.type === 'voteRequest') return onVoteRequest(core, from, message);
  if (message.term < state.term) return onOldMessage(core, from, message);
  // A granted pre-vote carries the term that the candidate would have.
  const isPreVote = message.type === 'voteReply' && message.preVote && message.granted;
  if (message.term > state.term && !isPreVote) {
    const leads = message.type === 'append' || message.type === 'heartbeat';
    becomeFollower(core, message.term, leads ? from : null);
  }
  onCurrentMessage(core, from, message);
}

function onOldMessage(core: Core, from: NodeId, message: Message): void {
  if (message.type === 'append' || message.type === 'heartbeat') answerDeposed(core, from);
  if (message.type === 'readIndexRequest') onReadIndexRequest(core, from, message.id);
}

function onCurrentMessage(
  core: Core,
  from: NodeId,
  message: Exclude<Message, { type: 'voteRequest' }>,
): void {
  switch (message.type) {
    case 'voteReply':
      return onVoteReply(core, from, message);
    case 'append':
      return onAppend(core, from, message);
    case 'heartbeat':
      return onHeartbeat(core, from, message);
    case 'timeoutNow':
      return onTimeoutNow(core, from);
    case 'readIndexRequest':
      return onReadIndexRequest(core, from, message.id);
    case 'readIndexReply':
      return onReadIndexReply(core, message.id, message.offset);
    case 'appendReply': {
      const peer = peerOf(core, from);
      return peer && onAppendReply(core, peer, message);
    }
    case 'heartbeatReply': {
      const peer = peerOf(core, from);
      return peer && onHeartbeatReply(core, peer, message.round);
    }
  }
}

function peerOf(core: Core, id: NodeId): Progress | undefined {
  const { role } = core.state;
  return role.type === 'leader' ? findProgress(role.peers, id) : undefined;
}
