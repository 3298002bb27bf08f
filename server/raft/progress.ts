/** What a leader knows of a peer. */
import { assert } from './assert.js';
import type { NodeId } from './types.js';

export interface Progress {
  readonly id: NodeId;
  /** Probe: where the logs part is not known, one message at a time. Replicate: a pipeline. */
  mode: 'probe' | 'replicate';
  /** Up to here it has the leader's log on disk; never moves back. */
  matchOffset: number;
  /** From here on nothing has been sent to it. */
  nextOffset: number;
  /** Append messages that are not acknowledged, oldest first. */
  inflight: Sent[];
  /** From where marks are being read from the disk for it. */
  loadingOffset: number | null;
  /** The last commit offset that it was told. */
  toldCommitOffset: number;
  /** The newest ReadIndex round that it has confirmed. */
  confirmedRound: number;
  /** Whether it has answered this leader, as the incarnation that counts. */
  isHeard: boolean;
  heardTick: number;
  /** When something was last acknowledged, asked for, or first in flight. */
  movedTick: number;
}

export interface Sent {
  readonly prevOffset: number;
  readonly end: number;
}

export function createProgress(id: NodeId, nextOffset: number, tick: number): Progress {
  return {
    id,
    mode: 'probe',
    matchOffset: 0,
    nextOffset,
    inflight: [],
    loadingOffset: null,
    toldCommitOffset: 0,
    confirmedRound: 0,
    isHeard: false,
    heardTick: tick,
    movedTick: tick,
  };
}

/** Nothing that the peer has ever said counts any more; a load goes on, so that there is one. */
export function forgetProgress(peer: Progress, nextOffset: number, sinceTick: number): void {
  const { id, loadingOffset } = peer;
  Object.assign(peer, createProgress(id, nextOffset, sinceTick), { loadingOffset });
}

export function hear(peer: Progress, tick: number): void {
  peer.isHeard = true;
  peer.heardTick = tick;
}

export function findProgress(peers: readonly Progress[], id: NodeId): Progress | undefined {
  return peers.find((peer) => peer.id === id);
}

/** The same for another member, all of which a leader knows. */
export function progressOf(peers: readonly Progress[], member: NodeId): Progress {
  const peer = findProgress(peers, member);
  assert(peer !== undefined, `${member} is a member`);
  return peer;
}

/** Takes note that the peer has the log up to `offset` on disk. */
export function acknowledge(peer: Progress, offset: number, tick: number): void {
  if (offset <= peer.matchOffset) return;
  peer.matchOffset = offset;
  peer.nextOffset = Math.max(peer.nextOffset, offset);
  peer.movedTick = tick;
  const kept = peer.inflight.findIndex((sent) => sent.end > offset);
  peer.inflight.splice(0, kept < 0 ? peer.inflight.length : kept);
}

/** Forgets what is in flight and looks for the common point again, at `offset` or what is sure. */
export function probeFrom(peer: Progress, offset: number): void {
  peer.mode = 'probe';
  peer.nextOffset = Math.max(offset, peer.matchOffset);
  peer.inflight = [];
}

/** What is in flight is lost: begins again where the peer is known to be, or was being probed. */
export function restartProbe(peer: Progress): void {
  const probed = peer.inflight[0]?.prevOffset ?? peer.nextOffset;
  probeFrom(peer, peer.mode === 'probe' ? probed : peer.matchOffset);
}

/** A peer refuses only what it was sent; any other rejection is a late one. */
export function isAskedFor(peer: Progress, prevOffset: number): boolean {
  if (prevOffset <= peer.matchOffset) return false;
  return (
    prevOffset === peer.nextOffset || peer.inflight.some((sent) => sent.prevOffset === prevOffset)
  );
}
