/**
 * Finds out from other copies what stood at a place of the log. A copy is believed only as far as
 * the chain leads from what this disk has in front of the place to something that this disk has
 * behind it: the chain value there can follow from one history alone.
 */
import type { Batch, BatchHeader } from '../../proto/batch.js';
import { batchEnd, decodeHeader } from '../../proto/batch.js';
import { bodyChecksum } from '../../proto/checksum.js';
import { LogLogError } from '../../proto/errors.js';
import type { Place } from './scan.js';
import { misfit, placeBehind } from './scan.js';
import { fitsSegment } from './segment.js';

/** Gives what this disk has lost: from several copies of the log, which may differ. */
export interface Donor {
  /**
   * Batches from the one that begins at `offset` on, contiguous, each whole and with correct
   * checksums: at least one, and about `bytesMax` bytes if there are several. None where this
   * source has none at that offset; undefined once there are no more sources, which count from 0.
   * Rejects with DATA_CORRUPT if this source has lost them too, or cannot tell, and with another
   * LogLogError if it does not answer.
   */
  batchesFrom(
    source: number,
    offset: number,
    bytesMax: number,
  ): Promise<readonly Batch[] | undefined>;
}

/** What this disk says of a log that has got to a place: it follows, it does not, or nothing. */
export type Standing = 'anchored' | 'refuted' | 'open';

/** A stretch of the log to be found out. */
export interface Question {
  /** Where it begins. */
  readonly from: Place;
  /** Of the segment that holds `from`. */
  readonly baseOffset: number;
  readonly segmentBytesMax: number;
  /** No batch of it ends behind this. */
  readonly endOffset: number;
  standing(place: Place): Promise<Standing>;
}

/** A batch of the log, what stands in front of it, and the segment that it belongs into. */
export interface Proven {
  readonly baseOffset: number;
  readonly before: Place;
  readonly batch: Batch;
}

/** Why what no source proves may have been there all the same. */
export interface Doubt {
  /** How many sources did not answer: what one of them holds may be the proof. */
  readonly unanswered: number;
  /** How many sources have lost it too. */
  readonly lostElsewhere: number;
}

export const noDoubt: Doubt = { unanswered: 0, lostElsewhere: 0 };

export type Answer =
  | { readonly type: 'proven'; readonly batches: readonly Proven[] }
  /** Longer than what is kept in memory: these places on the way are proven. */
  | { readonly type: 'long'; readonly waypoints: readonly Place[] }
  | ({ readonly type: 'unproven' } & Doubt);

/** Bytes asked for at a time. */
const requestBytes = 2 ** 20;

/** Bytes that are kept until they are proven; a batch more may be. */
export const keptBytesMax = 64 * 2 ** 20;

/** The first source that has a proof. Throws SHUTTING_DOWN once nobody is asked any more. */
export async function prove(donor: Donor, question: Question): Promise<Answer> {
  let unanswered = 0;
  let lostElsewhere = 0;
  for (let source = 0; ; source += 1) {
    try {
      const found = await follow(donor, source, question);
      if (found === 'noSource') return { type: 'unproven', unanswered, lostElsewhere };
      if (found !== 'noProof') return found;
    } catch (error) {
      if (!(error instanceof LogLogError) || error.code === 'SHUTTING_DOWN') throw error;
      if (error.code === 'DATA_CORRUPT') lostElsewhere += 1;
      else unanswered += 1;
    }
  }
}

async function follow(
  donor: Donor,
  source: number,
  question: Question,
): Promise<Exclude<Answer, { type: 'unproven' }> | 'noProof' | 'noSource'> {
  const { segmentBytesMax, endOffset } = question;
  const waypoints: Place[] = [];
  let { baseOffset, from: place } = question;
  let kept: Proven[] = [];
  let keptBytes = 0;
  for (;;) {
    const batches = await donor.batchesFrom(source, place.offset, requestBytes);
    if (batches === undefined) return 'noSource';
    if (batches.length === 0) return 'noProof';
    for (const batch of batches) {
      const header = wholeHeader(batch);
      if (header === undefined || batchEnd(header) > endOffset) return 'noProof';
      if (!fitsSegment(header, baseOffset, segmentBytesMax)) baseOffset = header.offset;
      const wrong = misfit(header, batch.headerBytes, place, baseOffset, segmentBytesMax);
      if (wrong !== undefined) return 'noProof';
      if (keptBytes >= keptBytesMax) {
        waypoints.push(place);
        kept = [];
        keptBytes = 0;
      }
      kept.push({ baseOffset, before: place, batch });
      keptBytes += batchEnd(header) - header.offset;
      place = placeBehind(header);
      const standing = await question.standing(place);
      if (standing === 'refuted') return 'noProof';
      if (standing === 'open') continue;
      return waypoints.length > 0 ? { type: 'long', waypoints } : { type: 'proven', batches: kept };
    }
  }
}

/** What the bytes of the header say, if batch and checksums are as they should be. */
function wholeHeader({ headerBytes, body }: Batch): BatchHeader | undefined {
  const decoded = decodeHeader(headerBytes);
  if (!decoded.ok) return undefined;
  const { header } = decoded;
  const whole = header.bodyBytes === body.length && header.bodyChecksum === bodyChecksum(body);
  return whole ? header : undefined;
}
