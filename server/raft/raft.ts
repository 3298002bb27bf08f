/**
 * The consensus core: a function from events to effects over a plain state (types.ts has the
 * vocabulary). It knows no file, socket, clock or random source; only `tick` moves its time.
 * Sources: Ongaro and Ousterhout, "In Search of an Understandable Consensus Algorithm" (2014), and
 * Ongaro's dissertation, "Consensus: Bridging Theory and Practice" (2014).
 */
import { tellPeer, tellPeers } from './admission.js';
import { admittedIncarnation } from './admissions.js';
import { assert } from './assert.js';
import { isAdmitted, trimLog } from './core.js';
import type { Core } from './core.js';
import { campaignIfDue, onTimeoutNow, onVoteReply, onVoteRequest } from './election.js';
import {
  acknowledgeSynced,
  answerDeposed,
  onAppend,
  onCommit,
  onHeartbeat,
  onWelcome,
} from './follower.js';
import { onForgotten, onRejoined } from './incarnation.js';
import {
  forgetIfDiscounted,
  onAppendReply,
  onHeartbeatReply,
  propose,
  settle,
  tickLeader,
} from './leader.js';
import {
  compareWithPast,
  counts,
  findLink,
  hearTerm,
  isHypothetical,
  meet,
  part,
} from './links.js';
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
import type {
  Effect,
  Event,
  Message,
  NodeId,
  PeerState,
  RaftOptions,
  RaftStart,
  TermStart,
} from './types.js';

type Received = Extract<Event, { type: 'message' }>;

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
    const { log, term } = this.#state;
    assert(lastTerm(log) <= term, 'the log has a later term than the hard state');
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

  get incarnation(): number {
    return this.#state.incarnation;
  }

  /** This incarnation votes and acknowledges. */
  get admitted(): boolean {
    return isAdmitted(this.#state);
  }

  /** The incarnation of a node that this node's log has admitted last. */
  admittedIncarnation(node: NodeId): number {
    return admittedIncarnation(this.#state.log.admissions, node);
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
      return onMessage(core, event);
    case 'propose':
      return propose(core, event.marks);
    case 'synced':
      return onSynced(core, event.generation, event.offset);
    case 'link':
      return onLink(core, event.peer, event.incarnation);
    case 'greeting':
      return onGreeting(core, event.peer, event.state);
    case 'rejoined':
      return onRejoined(core, event.incarnation);
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
  if (state.role.type === 'leader') tickLeader(core, state.role);
  else {
    if (state.role.type === 'follower') expireForwarded(core, state.role);
    campaignIfDue(core);
  }
  if (isAdmitted(state)) tellPeers(core);
}

function onSynced(core: Core, generation: number, offset: number): void {
  const { log, tick } = core.state;
  const before = log.durableOffset;
  if (!markSynced(log, generation, offset, tick)) return;
  trimLog(core);
  acknowledgeSynced(core, before);
}

function onLink(core: Core, id: NodeId, incarnation: number | null): void {
  const { state } = core;
  if (isStranger(core, id)) return;
  if (incarnation === null) part(core, id);
  else meet(core, id, incarnation).up = true;
  const peer = peerOf(core, id);
  if (peer !== undefined) restartProbe(peer);
  reviewPeer(core, id);
  const lost = incarnation === null && state.role.type === 'follower' && state.role.leader === id;
  if (lost) abandonReads(core, state.role);
}

function onGreeting(core: Core, id: NodeId, peerState: PeerState): void {
  if (isStranger(core, id)) return;
  const isKnown = findLink(core, id)?.incarnation === peerState.incarnation;
  const link = meet(core, id, peerState.incarnation);
  if (isKnown) compareWithPast(core, link, peerState);
  else link.process = peerState.process;
  reviewPeer(core, id);
}

/** The peer may be another incarnation now, or one that has forgotten something. */
function reviewPeer(core: Core, id: NodeId): void {
  const peer = peerOf(core, id);
  if (peer !== undefined) forgetIfDiscounted(core, peer);
  const link = findLink(core, id);
  if (link?.up && isAdmitted(core.state)) tellPeer(core, link);
}

function isStranger(core: Core, id: NodeId): boolean {
  return id === core.options.id || !isMember(core.options.configuration, id);
}

/** What comes first, whatever the term: who says it, and whether either of the two is out. */
function onMessage(core: Core, { from, incarnation, message }: Received): void {
  const { state } = core;
  if (isStranger(core, from)) return;
  const link = findLink(core, from);
  // Nobody speaks before it came, and what it said as another incarnation is over.
  if (link?.incarnation !== incarnation) return;
  if (message.type === 'forgotten') return onForgotten(core, message.incarnation);
  if (link.forgotten) return;
  hearTerm(link, message);
  if (message.type === 'welcome' && message.incarnation !== state.incarnation) return;
  if (!isAdmitted(state)) return onStrange(core, from, message);
  if (isAnswer(message) && !counts(core, link)) return;
  onCountedMessage(core, from, message);
}

/** The only thing that a node hears that is not admitted, or no longer. */
function onStrange(core: Core, from: NodeId, message: Message): void {
  const { rejoining, term } = core.state;
  if (message.type !== 'welcome' || rejoining || message.term < term) return;
  onWelcome(core, from, message);
}

/** Terms come first (Raft paper, section 5.1): a later one is taken over, an older one ignored. */
function onCountedMessage(
  core: Core,
  from: NodeId,
  message: Exclude<Message, { type: 'forgotten' }>,
): void {
  const { state } = core;
  if (message.type === 'voteRequest') return onVoteRequest(core, from, message);
  if (message.term < state.term) return onOldMessage(core, from, message);
  if (message.term > state.term && !isHypothetical(message)) {
    becomeFollower(core, message.term, isFromLeader(message) ? from : null);
  }
  onCurrentMessage(core, from, message);
}

function isAnswer({ type }: Message): boolean {
  return type === 'voteReply' || type === 'appendReply' || type === 'heartbeatReply';
}

function isFromLeader({ type }: Message): boolean {
  return type === 'append' || type === 'heartbeat' || type === 'commit' || type === 'welcome';
}

function onOldMessage(core: Core, from: NodeId, message: Message): void {
  if (isFromLeader(message)) answerDeposed(core, from);
  if (message.type === 'readIndexRequest') onReadIndexRequest(core, from, message.id);
}

function onCurrentMessage(
  core: Core,
  from: NodeId,
  message: Exclude<Message, { type: 'voteRequest' | 'forgotten' }>,
): void {
  switch (message.type) {
    case 'voteReply':
      return onVoteReply(core, from, message);
    case 'append':
      return onAppend(core, from, message);
    case 'heartbeat':
      return onHeartbeat(core, from, message);
    case 'commit':
      return onCommit(core, from, message);
    case 'welcome':
      return onWelcome(core, from, message);
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
