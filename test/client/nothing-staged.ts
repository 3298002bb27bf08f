import type { StagedCounters } from '../../proto/service.js';

/** Of a node that is given nothing to stage. */
export const nothingStaged: StagedCounters = {
  stagedBatches: 0,
  stagedBytes: 0,
  matchedBatches: 0,
  matchedBytes: 0,
  inlinedBatches: 0,
  inlinedBytes: 0,
  missing: 0,
  missingBytes: 0,
  mismatched: 0,
  mismatchedBytes: 0,
  expired: 0,
  expiredBytes: 0,
  heldBatches: 0,
  heldBytes: 0,
};
