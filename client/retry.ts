import type { ErrorCode } from '../proto/errors.js';
import { LogLogError } from '../proto/errors.js';

/** Not worth a retry at the node that said so, but others may be sound. */
const nodeFaults: ReadonlySet<ErrorCode> = new Set(['DATA_CORRUPT', 'DISK_FAILED', 'INTERNAL']);

export function isNodeFault(error: LogLogError): boolean {
  return nodeFaults.has(error.code);
}

/** Whether the same request may succeed later, or at another node. */
export function mayPass(error: LogLogError): boolean {
  return error.retryable || isNodeFault(error);
}

/** What a service threw; anything but a LogLogError is a defect in it. */
export function asLogLogError(error: unknown): LogLogError {
  if (error instanceof LogLogError) return error;
  return new LogLogError('INTERNAL', `an unexpected failure: ${String(error)}`, { cause: error });
}
