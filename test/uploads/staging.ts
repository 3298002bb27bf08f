/** What the tests of the staging pool share: a roomy pool, and uploads of one size. */
import type { BatchHeader } from '../../proto/batch.js';
import { bodyChecksum } from '../../proto/checksum.js';
import { headerBytes } from '../../proto/limits.js';
import type { PoolOptions, StagedUpload } from '../../server/uploads/pool.js';
import { StagingPool } from '../../server/uploads/pool.js';
import { stagedOverheadBytes } from '../../server/uploads/staged-upload.js';
import { ManualClock } from './manual-clock.js';

export const bodyBytes = 100;
export const cost = bodyBytes + stagedOverheadBytes;
export const ageMsMax = 1000;

/** Of one batch with an upload's body. */
export const batchBytes = headerBytes + bodyBytes;

export function staging(options: Partial<PoolOptions> = {}) {
  const clock = new ManualClock();
  const roomy: PoolOptions = {
    bytesMax: 100 * cost,
    clientBytesMax: 100 * cost,
    batchesMax: 100,
    clientBatchesMax: 100,
    ageMsMax,
  };
  return { clock, pool: new StagingPool({ ...roomy, ...options }, clock) };
}

export function upload(sequence: number, fill = sequence, length = bodyBytes): StagedUpload {
  const body = Buffer.alloc(length, fill);
  return {
    producer: '00000000000000aa',
    kind: 'data',
    epoch: 96,
    sequence,
    entryCount: 1,
    bodyChecksum: bodyChecksum(body),
    body,
  };
}

/** The header of the batch that a leader made of the upload. */
export function headerOf(staged: StagedUpload, offset = staged.sequence * batchBytes): BatchHeader {
  const { body, ...fields } = staged;
  return { ...fields, offset, term: 1, timeMs: 0, bodyBytes: body.length, chain: '' };
}
