/** How a command ends: the numbers are part of the command line's contract (docs/OPERATIONS.md). */
import type { ExitKind } from '../proto/errors.js';
import { errorCodes, LogLogError } from '../proto/errors.js';

export const exitCodes = {
  done: 0,
  failed: 1,
  usage: 2,
  unavailable: 3,
  deadline: 4,
  unknown: 5,
  conflict: 6,
  denied: 7,
  trimmed: 8,
} as const satisfies Record<ExitKind | 'done', number>;

/** An unknown outcome comes before everything else: whoever retries has to know of it. */
export function exitCodeOf(error: unknown): number {
  if (!(error instanceof LogLogError)) return exitCodes.failed;
  if (error.outcome === 'unknown') return exitCodes.unknown;
  return exitCodes[errorCodes[error.code].exit];
}
