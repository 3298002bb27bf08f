/** One core without a network, for what is easiest to see on its own. */
import { Raft } from '../../server/raft/raft.js';
import { firstIncarnation } from '../../server/raft/types.js';
import type {
  Effect,
  Event,
  Mark,
  Message,
  NodeId,
  PeerState,
  RaftOptions,
} from '../../server/raft/types.js';
import { SimulatedDisk } from './disk.js';
import { lastOf } from './marks.js';
import { smallOptions } from './small-options.js';

export const optionsOfB: RaftOptions = {
  id: 'b',
  configuration: { voters: ['a', 'b', 'c'], learners: [] },
  ...smallOptions,
  seed: 7,
};

/** Node b with a log, linked to a and c, in the log's last term or the one given. */
export function startB(
  marks: readonly Mark[] = [],
  { commitOffset = 0, term = lastOf(marks).term, options = optionsOfB } = {},
): Raft {
  const disk = new SimulatedDisk();
  disk.fill(marks, term);
  const raft = new Raft(options, disk.start(commitOffset));
  for (const peer of ['a', 'c']) come(raft, peer);
  return raft;
}

/** Node b as another incarnation, which has not heard yet that it is admitted. */
export function strangerB(marks: readonly Mark[] = [], options = optionsOfB): Raft {
  const disk = new SimulatedDisk();
  disk.wipe(2);
  disk.fill(marks, 0);
  const raft = new Raft(options, disk.start(0));
  for (const peer of ['a', 'c']) come(raft, peer);
  return raft;
}

/** Node b as the leader of the next term, its no-op proposed and on disk. */
export function leadB(marks: readonly Mark[] = [], options = optionsOfB): Raft {
  const raft = startB(marks, { options });
  const term = raft.term + 1;
  tick(raft, 2 * options.electionTicks);
  for (const preVote of [true, false]) {
    raft.step(from('a', { type: 'voteReply', term, preVote, granted: true }));
  }
  const offset = raft.endOffset;
  const noop = { offset, end: offset + 5, term, chain: `no-op of ${term}` };
  raft.step({ type: 'propose', marks: [noop] });
  raft.step({ type: 'synced', generation: raft.generation, offset: noop.end });
  return raft;
}

export function from(
  node: string,
  message: Message,
  incarnation = firstIncarnation,
): Extract<Event, { type: 'message' }> {
  return { type: 'message', from: node, incarnation, message };
}

let processes = 0;

/** A peer's process starts, with an empty log unless something else is said. */
export function come(raft: Raft, peer: NodeId, state: Partial<PeerState> = {}): Effect[] {
  processes += 1;
  const { incarnation = firstIncarnation, term = 0 } = state;
  const defaults = { incarnation, process: processes, startTerm: term, term, durableOffset: 0 };
  const greeting = { ...defaults, ...state };
  return [
    ...raft.step({ type: 'greeting', peer, state: greeting }),
    ...raft.step({ type: 'link', peer, incarnation: greeting.incarnation }),
  ];
}

export function linkDown(peer: NodeId): Event {
  return { type: 'link', peer, incarnation: null };
}

export function tick(raft: Raft, count = 1): Effect[] {
  return Array.from({ length: count }, () => raft.step({ type: 'tick' })).flat();
}

/** Messages of one type among the effects, with their destinations. */
export function sent<T extends Message['type']>(
  effects: readonly Effect[],
  type: T,
): (Extract<Message, { type: T }> & { readonly to: string })[] {
  return effects.flatMap((effect) =>
    effect.type === 'send' && isOf(effect.message, type)
      ? [{ ...effect.message, to: effect.to }]
      : [],
  );
}

function isOf<T extends Message['type']>(
  message: Message,
  type: T,
): message is Extract<Message, { type: T }> {
  return message.type === type;
}

/** The append of the leader of `term` that carries `marks`, behind `previous`. */
export function appendOf(
  term: number,
  previous: Mark,
  marks: readonly Mark[],
  commitOffset = 0,
): Extract<Message, { type: 'append' }> {
  const { end: prevOffset, term: prevTerm, chain: prevChain } = previous;
  return { type: 'append', term, prevOffset, prevTerm, prevChain, commitOffset, marks };
}

export function typesOf(effects: readonly Effect[]): string[] {
  return effects.map((effect) => (effect.type === 'send' ? effect.message.type : effect.type));
}
