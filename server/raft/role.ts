/** The one place where role and hard state change, and what goes with that. */
import type { Core } from './core.js';
import { draw } from './random.js';
import { abandonReads } from './read-index.js';
import type { Follower, HardState, RaftState, Role } from './state.js';
import { endTransfer } from './transfer.js';
import type { NodeId, RaftOptions } from './types.js';

/** Takes a role, in a new term perhaps, and says what changed: on disk first. */
export function enterRole(core: Core, role: Role, hardState: HardState = core.state): void {
  const { state, options, effects } = core;
  const { term } = hardState;
  const before = state.role;
  const leader = leaderOf(role, options.id);
  const isNewTerm = term !== state.term;
  const isNews = isNewTerm || role.type !== before.type || leader !== leaderOf(before, options.id);
  if (isNewTerm) state.matchedOffset = 0;
  saveHardState(core, hardState);
  state.role = role;
  restartElectionTimeout(state, options);
  if (isNews) effects.push({ type: 'role', role: role.type, term, leader });
  abandonReads(core, before);
  if (state.transfer !== null && leader !== null && term > state.transfer.term) {
    endTransfer(core, leader !== options.id);
  }
}

/** Follows `leader`, or nobody yet, in this term or a later one. */
export function becomeFollower(
  core: Core,
  term: number,
  leader: NodeId | null,
  vote = term === core.state.term ? core.state.vote : null,
): void {
  enterRole(core, followerOf(leader), { term, vote, admitted: core.state.admitted });
}

export function followerOf(leader: NodeId | null): Follower {
  return { type: 'follower', leader, forwarded: [] };
}

/** Effects behind this one wait until it is durable. */
export function saveHardState(core: Core, { term, vote, admitted }: HardState): void {
  const { state } = core;
  if (term === state.term && vote === state.vote && admitted === state.admitted) return;
  state.term = term;
  state.vote = vote;
  state.admitted = admitted;
  core.effects.push({ type: 'saveHardState', term, vote, admitted });
}

export function leaderOf(role: Role, ownId: NodeId): NodeId | null {
  if (role.type === 'leader') return ownId;
  return role.type === 'follower' ? role.leader : null;
}

export function restartElectionTimeout(state: RaftState, options: RaftOptions): void {
  const { value, seed } = draw(state.randomSeed, options.electionTicks);
  state.randomSeed = seed;
  state.electionTimeoutTicks = options.electionTicks + value;
  state.waitingSinceTick = state.tick;
}
