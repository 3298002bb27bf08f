/** Leadership transfer (Ongaro's dissertation, section 3.10). */
import { send } from './core.js';
import type { Core } from './core.js';
import { isCounted, isDiscounted } from './links.js';
import { findProgress } from './progress.js';
import { isVoter } from './quorum.js';
import type { Leader } from './state.js';
import type { NodeId } from './types.js';

/** Begins to hand over to `to`, or to the voter that is furthest. */
export function onTransfer(core: Core, to: NodeId | undefined): void {
  const { role, term, tick, transfer } = core.state;
  const { id, configuration, electionTicks } = core.options;
  const target = role.type === 'leader' ? (to ?? furthest(core, role)) : to;
  if (
    role.type !== 'leader' ||
    target === undefined ||
    target === id ||
    !isVoter(configuration, target) ||
    isDiscounted(core, target)
  ) {
    core.effects.push({ type: 'transferEnded', to: target ?? id, ok: false });
    return;
  }
  if (transfer?.to === target) return;
  endTransfer(core, false);
  core.state.transfer = { to: target, term, deadlineTick: tick + electionTicks, told: false };
}

/** Tells the target to campaign as soon as it has everything. */
export function promptTarget(core: Core, leader: Leader): void {
  const { transfer, log, term } = core.state;
  if (transfer === null || transfer.told) return;
  if (findProgress(leader.peers, transfer.to)?.matchOffset !== log.endOffset) return;
  transfer.told = true;
  send(core, transfer.to, { type: 'timeoutNow', term });
}

export function expireTransfer(core: Core): void {
  const { transfer, tick } = core.state;
  if (transfer !== null && tick >= transfer.deadlineTick) endTransfer(core, false);
}

export function endTransfer(core: Core, ok: boolean): void {
  const { transfer } = core.state;
  if (transfer === null) return;
  core.state.transfer = null;
  core.effects.push({ type: 'transferEnded', to: transfer.to, ok });
}

function furthest(core: Core, leader: Leader): NodeId | undefined {
  const able = leader.peers.filter(
    (peer) => isVoter(core.options.configuration, peer.id) && isCounted(core, peer.id),
  );
  return able.toSorted((a, b) => b.matchOffset - a.matchOffset)[0]?.id;
}
