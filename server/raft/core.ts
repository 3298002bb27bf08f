/** What every part of the core works on during one step. */
import { trimMarks } from './marks.js';
import type { Effect, Message, NodeId, RaftOptions } from './types.js';
import type { RaftState } from './state.js';

export interface Core {
  readonly options: RaftOptions;
  readonly state: RaftState;
  readonly effects: Effect[];
}

export function send(core: Core, to: NodeId, message: Message): void {
  core.effects.push({ type: 'send', to, message });
}

export function reportCorrupt(core: Core, offset: number, reason: string): void {
  core.effects.push({ type: 'corrupt', offset, reason });
}

/** Whether this node may vote and acknowledge: what it has promised as this incarnation it has. */
export function isAdmitted(state: RaftState): boolean {
  return state.admitted === state.incarnation && !state.rejoining;
}

/** The disk has had something to sync for an election timeout and has not moved. */
export function isDiskStalled(core: Core): boolean {
  const { log, tick } = core.state;
  return log.durableOffset < log.endOffset && tick - log.syncTick >= core.options.electionTicks;
}

/** Moves the commit offset forward to `offset`, or leaves it where it is. */
export function advanceCommit(core: Core, offset: number): void {
  const { log } = core.state;
  if (offset <= log.commitOffset) return;
  log.commitOffset = offset;
  trimLog(core);
  core.effects.push({ type: 'commit', offset });
}

/** Lets go of marks that nobody is likely to ask for; see recentMarksMax. */
export function trimLog(core: Core): void {
  const { log } = core.state;
  // A commit can be ahead of this node's own disk, where `load` finds only what is durable.
  const offset = Math.min(log.commitOffset, log.durableOffset);
  trimMarks(log.marks, offset, core.options.recentMarksMax);
}
