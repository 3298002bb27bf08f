/** What differs between node 1 of the bare pipe and the others. */
import type { StagedCounters } from '../../../proto/service.js';
import type { PeerMessage } from '../../../server/peers.js';
import type { SessionParts } from '../../../server/session.js';

/** How frames came here. */
export type Counters = Pick<
  StagedCounters,
  'matchedBatches' | 'matchedBytes' | 'inlinedBatches' | 'inlinedBytes'
>;

export interface BarePart {
  /** For the frames that are to be ordered here. */
  readonly orderer: SessionParts['orderer'];
  /** For all other frames. */
  readonly pool: SessionParts['pool'];
  readonly readableOffset: number;
  readonly counters: Counters;
  /** This node has synced more. */
  synced(): void;
  received(from: string, message: PeerMessage): void;
}
