/**
 * Order by real time. Since offsets force the order of the log, each data batch needs a moment of
 * commit, none before its predecessor's, such that all answers are true:
 *
 * - an acknowledged append: not before the call, not after the return; an unknown one that is in
 *   the log: not before the call;
 * - a read or an end that tells of a version: its last batch not after the return;
 * - a linearizable end: besides, the batch behind its version not before the call.
 *
 * Each batch then has an earliest moment, the latest of those demanded of it and its predecessors;
 * the answers can all be true if and only if it is not after what any of them allows. Two things
 * at the same instant may have happened in either order.
 */
import type { Findings } from './findings.js';
import { describe } from './findings.js';
import type { History, Operation } from './history.js';
import { isLinearizableEnd } from './versions.js';

/** `versions`: for each operation the one that it tells of, or -1. */
export function checkRealTime(
  { operations, final }: History,
  versions: Int32Array,
  findings: Findings,
): void {
  const appends = latestCauses(operations, final.length, (operation, index) => {
    const isAppend = operation.type === 'append' && !isLinearizableEnd(operation);
    return isAppend ? (versions[index] ?? -1) - 1 : -1;
  });
  const ends = latestCauses(operations, final.length, (operation, index) =>
    isLinearizableEnd(operation) ? (versions[index] ?? -1) : -1,
  );
  for (const [index, operation] of operations.entries()) {
    const version = versions[index] ?? -1;
    if (version < 1 || operation.returnedAt === null || isUnknown(operation)) continue;
    const append = operations[appends[version - 1] ?? -1];
    if (append !== undefined && append.calledAt > operation.returnedAt) {
      const isAppend = operation.type === 'append' && !isLinearizableEnd(operation);
      const words = `is true only with a later ${describe(append)}`;
      findings.add(isAppend ? 'reordered' : 'future', `${describe(operation)} ${words}`);
    }
    const end = operations[ends[version - 1] ?? -1];
    if (end !== undefined && end.calledAt > operation.returnedAt) {
      findings.add('stale', `${describe(operation)} is ahead of a later ${describe(end)}`);
    }
  }
}

/**
 * For each batch the index of the operation that was called last, of those that need it, or one
 * before it, not to be committed before their call; -1 where there is none. `batchOf` says which
 * batch an operation needs so, or -1.
 */
function latestCauses(
  operations: readonly Operation[],
  batchCount: number,
  batchOf: (operation: Operation, index: number) => number,
): Int32Array {
  const causes = new Int32Array(batchCount).fill(-1);
  const calledAt = (index: number) => operations[index]?.calledAt ?? -Infinity;
  const note = (batch: number, index: number) => {
    if (calledAt(index) > calledAt(causes[batch] ?? -1)) causes[batch] = index;
  };
  for (const [index, operation] of operations.entries()) {
    const batch = batchOf(operation, index);
    if (batch >= 0 && batch < batchCount) note(batch, index);
  }
  for (let batch = 1; batch < batchCount; batch += 1) note(batch, causes[batch - 1] ?? -1);
  return causes;
}

/** It may have taken effect after its return. */
function isUnknown(operation: Operation): boolean {
  return operation.type === 'append' && operation.outcome.type === 'unknown';
}
