/** One node of the model: the real core's state, and what its driver and its disk hold. */
import { Raft } from '../../server/raft/raft.js';
import type { RaftState } from '../../server/raft/state.js';
import { firstIncarnation } from '../../server/raft/types.js';
import type {
  Admission,
  Effect,
  Event,
  NodeId,
  PeerState,
  RaftOptions,
} from '../../server/raft/types.js';
import type { Chain } from './chain.js';
import { admissionsOf, commonPrefix, endOf, marksOf, termsOf } from './chain.js';
import type { Scope } from './scope.js';

export const nodeIds: readonly NodeId[] = ['a', 'b', 'c'];

/** The second is the last: no node loses what it promised more than once. */
export const lastIncarnation = firstIncarnation + 1;

/** What is on a disk. */
export interface Directory {
  incarnation: number;
  term: number;
  vote: NodeId | null;
  /** The incarnation that may vote and acknowledge. */
  admitted: number | null;
  /** What would survive a crash now, unless a truncation of it is under way. */
  durable: Chain;
}

/** Plain data; its text is its identity. */
export interface NodeState extends Directory {
  readonly id: NodeId;
  core: RaftState;
  written: Chain;
  /** Truncations that the disk knows of. */
  generation: number;
  /** Effects from a save on that is not carried out yet: until then the core takes no event. */
  queue: Effect[];
  /** What the disk has to say to the core. */
  reports: Event[];
  /** Proposals whose bodies are here, ascending. */
  bodies: number[];
  /** Questions that wait, each with what was committed anywhere when it was asked. */
  asked: { readonly id: number; readonly floor: number }[];
  /** Batches that the core has called for since its last event. */
  admissions: Admission[];
  /** Of the directory, as it was at the beginning. */
  copy: Directory | null;
}

const electionTicks = 10;

/** So that at the tick after `nowTick` strangers are told what they are. */
const heartbeatTicks = 2;

/**
 * Time is not part of a state: anything may take as long as it likes. Between two events every
 * node stands at this tick, and has heard from everybody just now.
 */
const nowTick = 999;
const longAgoTick = 0;

export function optionsOf(id: NodeId, scope: Scope): RaftOptions {
  return {
    id,
    configuration: { voters: nodeIds, learners: [] },
    electionTicks,
    heartbeatTicks,
    messageBytesMax: scope.messageBytesMax,
    inflightMessagesMax: 2,
    inflightBytesMax: 100,
    recentMarksMax: 1,
    seed: 1,
  };
}

const nothing = { term: 0, vote: null, admitted: null, durable: '' } as const;

export function newNode(id: NodeId, scope: Scope): NodeState {
  const admitted = firstIncarnation;
  return start(id, scope, { ...nothing, incarnation: firstIncarnation, admitted }, null);
}

/** What a crash may leave of the log: any part of what was not synced, cut or added. */
export function crashImages(node: NodeState): Chain[] {
  const { durable, written } = node;
  const sure = sureOf(node);
  const later = marksOf(written)
    .map((mark) => mark.chain)
    .filter((chain) => chain.length > sure.length);
  return [...new Set([durable, sure, ...later])];
}

/** After a crash. `renewed` is another incarnation than the node knew, and has not come yet. */
export function restart(
  node: NodeState,
  image: Chain,
  scope: Scope,
  renewed: NodeId | null,
): NodeState {
  const directory = { ...directoryOf(node), durable: image };
  return { ...start(node.id, scope, directory, renewed), copy: node.copy };
}

/** With another disk, which has nothing on it. */
export function wipe(node: NodeState, scope: Scope): NodeState {
  return start(node.id, scope, { ...nothing, incarnation: lastIncarnation }, null);
}

/** With its older copy in place of what it has on disk. */
export function putBack(node: NodeState, scope: Scope): NodeState {
  if (node.copy === null) throw new Error('there is no copy');
  return start(node.id, scope, node.copy, null);
}

export function directoryOf(node: NodeState): Directory {
  const { incarnation, term, vote, admitted } = node;
  return { incarnation, term, vote, admitted, durable: sureOf(node) };
}

/** What survives a crash now, whatever happens. */
export function sureOf(node: NodeState): Chain {
  return commonPrefix(node.durable, node.written);
}

/** What the node greets others with. */
export function peerStateOf({ incarnation, term, durable }: Directory): PeerState {
  return { incarnation, process: 0, startTerm: term, term, durableOffset: endOf(durable) };
}

function start(id: NodeId, scope: Scope, directory: Directory, renewed: NodeId | null): NodeState {
  const { incarnation, term, vote, admitted, durable } = directory;
  const raft = new Raft(optionsOf(id, scope), {
    term,
    vote,
    terms: termsOf(durable),
    endOffset: endOf(durable),
    endChain: durable,
    commitOffset: 0,
    admissions: admissionsOf(durable),
    incarnation,
    admitted: admitted === incarnation,
  });
  for (const peer of nodeIds) {
    if (peer === id || peer === renewed) continue;
    raft.step({ type: 'link', peer, incarnation: firstIncarnation });
  }
  const memory = { queue: [], reports: [], bodies: [], asked: [], admissions: [] };
  const log = { written: durable, generation: 0 };
  const disk = { incarnation, term, vote, admitted, durable };
  const node = { id, ...disk, core: raft.state, ...log, ...memory, copy: null };
  normalise(node, scope);
  return node;
}

/** How long ago things happened, where an event depends on it. */
export type Wait = 'none' | 'voter' | 'timeout' | 'heartbeat' | 'silence' | 'stall';

/** Sets the clock of the core so that `wait` has just passed. */
export function setClock(node: NodeState, wait: Wait): void {
  const { core } = node;
  if (wait === 'voter' || wait === 'timeout') core.waitingSinceTick = longAgoTick;
  if (wait === 'stall') core.log.syncTick = longAgoTick;
  if (core.role.type !== 'leader') return;
  if (wait === 'heartbeat') {
    core.role.heartbeatTick = longAgoTick;
    for (const peer of core.role.peers) peer.movedTick = longAgoTick;
  }
  if (wait === 'silence') for (const peer of core.role.peers) peer.heardTick = longAgoTick;
}

/** Gives one form to states that differ in nothing that matters. */
export function normalise(node: NodeState, scope: Scope): void {
  const { core } = node;
  core.tick = nowTick;
  core.waitingSinceTick = nowTick;
  core.electionTimeoutTicks = 2 * electionTicks - 1;
  core.randomSeed = 1;
  core.log.syncTick = nowTick;
  // Whoever greets has been restarted.
  for (const link of core.links) link.process = null;
  core.links.sort((one, other) => (one.peer < other.peer ? -1 : 1));
  // It tells an older copy of a directory from the directory, and nothing else.
  if (scope.copiesMax === 0) for (const link of core.links) link.term = 0;
  // The next tick is too late for whatever can expire.
  if (core.transfer !== null) core.transfer = { ...core.transfer, deadlineTick: nowTick + 1 };
  if (node.queue.length === 0 && node.reports.length === 0) {
    core.log.generation = 0;
    node.generation = 0;
  }
  const { role } = core;
  if (role.type === 'candidate') role.granted.sort();
  if (role.type === 'follower') {
    core.role = {
      ...role,
      forwarded: role.forwarded.map(({ id }) => ({ id, expiresTick: nowTick + 1 })),
    };
  }
  if (role.type === 'leader') {
    role.heartbeatTick = nowTick;
    for (const peer of role.peers) {
      peer.heardTick = nowTick;
      peer.movedTick = nowTick;
      // Only whom the log admits is welcomed, until it is heard.
      peer.isHeard &&= core.log.admissions.some(({ node: id }) => id === peer.id);
    }
  }
}
