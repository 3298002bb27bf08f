/** Whatever went wrong in this node, as the error that is told of it. */
import { LogLogError } from '../proto/errors.js';
import { DiskError } from './log/disk.js';

export function asLogLogError(error: unknown): LogLogError {
  if (error instanceof LogLogError) return error;
  if (error instanceof DiskError) {
    return new LogLogError('DISK_FAILED', error.message, { cause: error });
  }
  return new LogLogError('INTERNAL', `unexpected: ${String(error)}`, { cause: error });
}
