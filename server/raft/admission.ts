/**
 * What a node tells peers that are not, or no longer, or only just whom the log admits: a leader
 * has new incarnations admitted and welcomes them, and every node that knows better than a peer
 * what it promised says so.
 */
import { admittedIncarnation, lastAdmission, wasAdmitted } from './admissions.js';
import { send } from './core.js';
import type { Core } from './core.js';
import { progressOf } from './progress.js';
import type { Progress } from './progress.js';
import type { Link } from './state.js';

/** Says it again with every heartbeat, since any of it may be lost. */
export function tellPeers(core: Core): void {
  const { links, tick } = core.state;
  if (tick % core.options.heartbeatTicks !== 0) return;
  for (const link of links) if (link.up) tellPeer(core, link);
}

export function tellPeer(core: Core, link: Link): void {
  const { role, log } = core.state;
  if (link.forgotten) return tellForgotten(core, link);
  if (role.type !== 'leader' || log.endOffset === role.startOffset) return;
  if (link.incarnation === admittedIncarnation(log.admissions, link.peer)) {
    welcomeUnheard(core, progressOf(role.peers, link.peer));
  } else tellStranger(core, link);
}

/**
 * Welcomes the peer if its admission is committed and it has not been heard since: it does not
 * answer anything else before, and nobody else may have told it.
 */
export function welcomeUnheard(core: Core, peer: Progress): void {
  const { term, log } = core.state;
  const admission = lastAdmission(log.admissions, peer.id);
  if (peer.isHeard || admission === undefined || admission.end > log.commitOffset) return;
  send(core, peer.id, { type: 'welcome', term, incarnation: admission.incarnation });
}

/** Has a new incarnation admitted, and turns away one whose successor is committed. */
function tellStranger(core: Core, link: Link): void {
  const { log, transfer } = core.state;
  const { peer: node, incarnation } = link;
  const successor = lastAdmission(log.admissions, node);
  if (successor !== undefined && wasAdmitted(log.admissions, node, incarnation)) {
    if (successor.end <= log.commitOffset) tellForgotten(core, link);
  } else if (transfer === null) {
    core.effects.push({ type: 'admit', admission: { node, incarnation } });
  }
}

function tellForgotten(core: Core, link: Link): void {
  const { incarnation, peer } = link;
  send(core, peer, { type: 'forgotten', term: core.state.term, incarnation });
}
