/**
 * The log has one version for each number of committed data batches, from 0 on. This says which of
 * them an operation is about; the final log makes it known, without any search.
 */
import type { FinalLog } from './final-log.js';
import type { Findings } from './findings.js';
import { describe } from './findings.js';
import type { AppendOperation, EndOperation, History, Operation } from './history.js';

/** A refused condition, answered with the end that the log had instead. */
interface Refusal extends AppendOperation {
  readonly outcome: { readonly type: 'failed'; readonly code: string; readonly end: number };
}

export function isRefusal(operation: Operation): operation is Refusal {
  const { type } = operation;
  return type === 'append' && operation.outcome.type === 'failed' && 'end' in operation.outcome;
}

/** Whether its version was the newest at some moment between its call and its return. */
export function isLinearizableEnd(operation: Operation): operation is EndOperation | Refusal {
  return isRefusal(operation) || (operation.type === 'end' && operation.linearizable);
}

/**
 * For each operation the version that it tells of: the one that an append made, that an end or a
 * refusal found, or the oldest that holds all that a read has seen. -1 where it tells of none.
 */
export function findVersions(
  { operations }: History,
  log: FinalLog,
  placement: Int32Array,
  findings: Findings,
): Int32Array {
  const versions = new Int32Array(operations.length);
  for (const [index, operation] of operations.entries()) {
    const first = placement[index] ?? -1;
    versions[index] = first >= 0 ? log.batchOf(first) + 1 : versionTold(operation, log, findings);
  }
  return versions;
}

function versionTold(operation: Operation, log: FinalLog, findings: Findings): number {
  if (operation.returnedAt === null) return -1;
  if (operation.type === 'read') return log.versionBelow(operation.next);
  if (operation.type === 'end') return versionAt(operation.dataEnd, operation, log, findings);
  if (!isRefusal(operation)) return -1;
  const { end } = operation.outcome;
  if (operation.expect === end) {
    findings.add('refusal', `the end was as demanded: ${describe(operation)}`);
  }
  return versionAt(end, operation, log, findings);
}

function versionAt(dataEnd: number, from: Operation, log: FinalLog, findings: Findings): number {
  const version = log.versionAt(dataEnd);
  if (version === undefined) {
    findings.add('boundary', `no data batch ends at ${dataEnd}: ${describe(from)}`);
  }
  return version ?? -1;
}
