/** Walks the batches of a segment from a known place and verifies each. */
import type { BatchHeader, Chain } from '../../proto/batch.js';
import { batchEnd, decodeHeader, nextChain } from '../../proto/batch.js';
import { bodyChecksum } from '../../proto/checksum.js';
import { headerBytes } from '../../proto/limits.js';
import { fitsSegment, positionOf } from './segment.js';
import type { SegmentWindow } from './segment-window.js';
import { unreadableReason } from './segment-window.js';

/** Where a log has got to: its end, and what the next batch has to follow. */
export interface Place {
  readonly offset: number;
  readonly chain: Chain;
  readonly term: number;
  readonly timeMs: number;
}

/** Why the bytes at a place are no batch of this log. */
export type Damage =
  | { readonly type: 'header'; readonly reason: string }
  | { readonly type: 'body'; readonly reason: string; readonly header: BatchHeader }
  /** A whole header that has no business here: no torn write looks like that. */
  | { readonly type: 'misfit'; readonly reason: string };

export interface Scanned {
  /** Behind the last good batch. */
  readonly place: Place;
  /** Undefined where the file ends with a batch. */
  readonly damage: Damage | undefined;
}

/** Gets each good batch in order; the body may be kept. */
export type OnBatch = (header: BatchHeader, body: Buffer) => void;

/** Goes on from `from` to the end of the file or to the first thing that is no batch. */
export async function scanBatches(
  window: SegmentWindow,
  segmentBytesMax: number,
  from: Place,
  onBatch: OnBatch,
): Promise<Scanned> {
  let place = from;
  for (;;) {
    const position = positionOf(window.baseOffset, place.offset);
    if (position === window.length) return { place, damage: undefined };
    const headerView = await window.bytesAt(position, headerBytes);
    const decoded = decodeHeader(headerView);
    if (!decoded.ok) {
      const reason = window.isReadable(position, headerBytes) ? decoded.reason : unreadableReason;
      return { place, damage: { type: 'header', reason } };
    }
    const { header } = decoded;
    const reason = misfit(header, headerView, place, window.baseOffset, segmentBytesMax);
    if (reason !== undefined) return { place, damage: { type: 'misfit', reason } };
    const bodyAt = position + headerBytes;
    const body = await window.bytesAt(bodyAt, header.bodyBytes);
    if (body.length < header.bodyBytes) {
      return { place, damage: { type: 'body', header, reason: 'the body is cut short' } };
    }
    if (bodyChecksum(body) !== header.bodyChecksum) {
      const readable = window.isReadable(bodyAt, header.bodyBytes);
      const wrong = readable ? "the body's checksum is wrong" : unreadableReason;
      return { place, damage: { type: 'body', header, reason: wrong } };
    }
    onBatch(header, body);
    place = placeBehind(header);
  }
}

/** Where a log has got to with a batch. */
export function placeBehind(header: BatchHeader): Place {
  const { chain, term, timeMs } = header;
  return { offset: batchEnd(header), chain, term, timeMs };
}

/** Why a whole header cannot be that of the next batch of a segment, if it cannot. */
export function misfit(
  header: BatchHeader,
  bytes: Buffer,
  place: Place,
  baseOffset: number,
  segmentBytesMax: number,
): string | undefined {
  if (header.offset !== place.offset) return `the batch of offset ${header.offset} stands here`;
  if (header.term < place.term) return `term ${header.term} comes behind term ${place.term}`;
  if (header.timeMs < place.timeMs) return 'the time goes back';
  if (header.chain !== nextChain(place.chain, bytes)) return 'the chain is broken';
  const fits = fitsSegment(header, baseOffset, segmentBytesMax);
  return fits ? undefined : 'the batch belongs into the next segment';
}
