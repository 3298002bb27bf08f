/** What a leader sends to a peer so that their logs become the same. */
import { welcomeUnheard } from './admission.js';
import { send } from './core.js';
import type { Core } from './core.js';
import { isCounted } from './links.js';
import { chainAt, isRun, markIndex } from './marks.js';
import type { Progress } from './progress.js';
import type { Leader } from './state.js';
import { termBefore } from './terms.js';
import type { Mark } from './types.js';

/** Sends the peer what it lacks and there is room for, and the commit offset with it. */
export function replicate(core: Core, peer: Progress): void {
  if (!isCounted(core, peer.id)) return;
  const { log } = core.state;
  if (peer.mode === 'probe') {
    if (peer.inflight.length > 0) return;
    welcomeUnheard(core, peer);
    return sendAppend(core, peer, nextMarks(core, peer));
  }
  while (peer.nextOffset < log.endOffset && peer.loadingOffset === null) {
    if (peer.inflight.length >= core.options.inflightMessagesMax) return;
    if (peer.nextOffset < log.marks.startOffset) return load(core, peer);
    const marks = nextMarks(core, peer);
    if (marks.length === 0) return;
    sendAppend(core, peer, marks);
  }
  const isSent = peer.nextOffset === log.endOffset;
  if (isSent && peer.toldCommitOffset < log.commitOffset) sendCommit(core, peer);
}

function sendCommit(core: Core, peer: Progress): void {
  const { term, log } = core.state;
  const { commitOffset } = log;
  send(core, peer.id, { type: 'commit', term, commitOffset });
  peer.toldCommitOffset = commitOffset;
}

export function sendHeartbeat(core: Core, leader: Leader, peer: Progress): void {
  const { term, log } = core.state;
  const { commitOffset } = log;
  send(core, peer.id, { type: 'heartbeat', term, commitOffset, round: leader.reads.round });
  peer.toldCommitOffset = commitOffset;
}

/** Passes on what was read for the peer, if that is still what it needs. */
export function onLoaded(
  core: Core,
  peer: Progress,
  loaded: { readonly offset: number; readonly prevChain?: string; readonly marks: readonly Mark[] },
): void {
  if (peer.loadingOffset !== loaded.offset) return;
  peer.loadingOffset = null;
  const isWanted = peer.mode === 'replicate' && peer.nextOffset === loaded.offset;
  if (!isWanted || !isCounted(core, peer.id) || !isOwn(core, loaded.offset, loaded.marks)) return;
  sendAppend(core, peer, loaded.marks, loaded.prevChain);
}

/**
 * Where something has been in flight for long, asks with an empty append whether it arrived: the
 * peer refuses the append if not, and otherwise says how far its disk is.
 */
export function askIfLost(core: Core, peer: Progress): void {
  const { tick } = core.state;
  if (peer.inflight.length === 0 || !isCounted(core, peer.id)) return;
  if (tick - peer.movedTick < core.options.heartbeatTicks) return;
  peer.movedTick = tick;
  transmit(core, peer, [], null);
}

/** The log may have been cut and written anew since the marks were read; a failed read has none. */
function isOwn(core: Core, offset: number, marks: readonly Mark[]): boolean {
  const { terms, endOffset } = core.state.log;
  if (marks.length === 0 || !isRun(marks, offset, 0)) return false;
  return marks.every((mark) => mark.end <= endOffset && termBefore(terms, mark.end) === mark.term);
}

/** The marks for the peer's next message: none if there is no room or they are not at hand. */
function nextMarks(core: Core, peer: Progress): readonly Mark[] {
  const { marks } = core.state.log;
  if (peer.nextOffset < marks.startOffset) return [];
  const room = roomBytes(core, peer);
  const from = markIndex(marks, peer.nextOffset);
  let to = from;
  for (let mark = marks.items[to]; mark !== undefined; mark = marks.items[to]) {
    const bytes = mark.end - peer.nextOffset;
    const isFirst = to === from;
    if (bytes > room && !(isFirst && peer.inflight.length === 0)) break;
    if (bytes > core.options.messageBytesMax && !isFirst) break;
    to += 1;
  }
  return marks.items.slice(from, to);
}

function roomBytes(core: Core, peer: Progress): number {
  const inflightBytes = peer.nextOffset - (peer.inflight[0]?.prevOffset ?? peer.nextOffset);
  return core.options.inflightBytesMax - inflightBytes;
}

function load(core: Core, peer: Progress): void {
  const bytesMax = core.options.messageBytesMax;
  if (peer.inflight.length > 0 && roomBytes(core, peer) < bytesMax) return;
  const offset = peer.nextOffset;
  peer.loadingOffset = offset;
  core.effects.push({ type: 'load', peer: peer.id, offset, bytesMax });
}

function sendAppend(
  core: Core,
  peer: Progress,
  marks: readonly Mark[],
  loadedChain?: string,
): void {
  const prevOffset = peer.nextOffset;
  const end = marks.at(-1)?.end ?? prevOffset;
  if (peer.inflight.length === 0) peer.movedTick = core.state.tick;
  transmit(core, peer, marks, loadedChain ?? chainAt(core.state.log.marks, prevOffset));
  peer.inflight.push({ prevOffset, end });
  peer.nextOffset = end;
}

function transmit(core: Core, peer: Progress, marks: readonly Mark[], chain: string | null): void {
  const { term, log } = core.state;
  const { commitOffset } = log;
  const prevOffset = peer.nextOffset;
  send(core, peer.id, {
    type: 'append',
    term,
    prevOffset,
    prevTerm: termBefore(log.terms, prevOffset),
    ...(chain !== null && { prevChain: chain }),
    commitOffset,
    marks,
  });
  peer.toldCommitOffset = commitOffset;
}
