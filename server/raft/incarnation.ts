/** How a node ends as one incarnation and begins as the next. */
import { assert } from './assert.js';
import { lastTerm } from './log.js';
import { isAlone } from './quorum.js';
import { becomeFollower, enterRole, followerOf } from './role.js';
import { endTransfer } from './transfer.js';
import type { Core } from './core.js';

/**
 * Another node knows of promises that this one has lost. Nothing is stored here: until the next
 * incarnation is durable this is still the old one, and after a crash it is told again.
 */
export function onForgotten(core: Core, incarnation: number): void {
  const { state, options } = core;
  if (incarnation !== state.incarnation || state.rejoining) return;
  if (isAlone(options.configuration, options.id)) return;
  becomeFollower(core, state.term, null);
  endTransfer(core, false);
  state.rejoining = true;
  core.effects.push({ type: 'rejoin' });
}

/**
 * The next incarnation begins without a promise. Its log stays, as what matches the leader's need
 * not be sent again. Its term is the log's: the leader that welcomes it may be in an earlier one
 * than the vote that was lost, but not than a batch, which a quorum has made a leader for.
 */
export function onRejoined(core: Core, incarnation: number): void {
  const { state } = core;
  assert(state.rejoining, 'a node becomes another incarnation when it is asked to');
  state.incarnation = incarnation;
  state.rejoining = false;
  state.matchedOffset = 0;
  enterRole(core, followerOf(null), { term: lastTerm(state.log), vote: null, admitted: null });
}
