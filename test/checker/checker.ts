/**
 * Tells whether the log kept its promises to its clients. Exact: a history has no violation if and
 * only if an atomic log could have given all its answers (`brute-force.ts` says it by trying).
 * Takes a sort, a binary search for each read and end, and passes over what there is.
 */
import { placeAppends } from './appends.js';
import { checkOrderOfLog, FinalLog } from './final-log.js';
import { describe, Findings } from './findings.js';
import type { History, Operation, Violation } from './history.js';
import { checkReads } from './reads.js';
import { checkRealTime } from './real-time.js';
import { checkSessions } from './sessions.js';
import { findVersions } from './versions.js';
import { checkWaits } from './waits.js';

/** How long after it could have ended a wait may return. */
export const wakeUpSlackMsDefault = 5000;

/** What the history shows to be broken, nothing if all is well. Times are in milliseconds. */
export function checkHistory(
  history: History,
  wakeUpSlackMs = wakeUpSlackMsDefault,
): readonly Violation[] {
  const findings = new Findings();
  for (const operation of history.operations) checkForm(operation, findings);
  checkOrderOfLog(history.final, findings);
  // By a log that is not in order nothing else can be judged.
  if (!findings.isEmpty) return findings.violations;

  const log = new FinalLog(history.final);
  const placement = placeAppends(history, log, findings);
  const versions = findVersions(history, log, placement, findings);
  checkReads(history, log, findings);
  checkRealTime(history, versions, findings);
  checkSessions(history, log, placement, versions, findings);
  checkWaits(history, wakeUpSlackMs, findings);
  return findings.violations;
}

/** A history that cannot be is a mistake of whoever wrote it down. */
function checkForm(operation: Operation, findings: Findings): void {
  const { calledAt, returnedAt } = operation;
  if (!(calledAt >= 0) || (returnedAt !== null && !(returnedAt >= calledAt))) {
    findings.add('malformed', `returns before its call: ${describe(operation)}`);
  }
  if (operation.type !== 'append') return;
  if (operation.entries.length === 0) {
    findings.add('malformed', `has no entries: ${describe(operation)}`);
  }
  if (operation.outcome.type !== 'unknown' && returnedAt === null) {
    findings.add('malformed', `has an outcome and no return: ${describe(operation)}`);
  }
}
