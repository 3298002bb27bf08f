/** Waiters that wake. */
import type { Findings } from './findings.js';
import { describe } from './findings.js';
import type { History, Operation, WaitOperation } from './history.js';

export function checkWaits(
  { operations }: History,
  wakeUpSlackMs: number,
  findings: Findings,
): void {
  const historyEnd = operations.reduce((latest, each) => Math.max(latest, lastMoment(each)), 0);
  for (const operation of operations) {
    if (operation.type === 'wait' && operation.outcome !== 'failed') {
      checkWait(operation, historyEnd, wakeUpSlackMs, findings);
    }
  }
}

function lastMoment({ calledAt, returnedAt }: Operation): number {
  return returnedAt ?? calledAt;
}

/** One without a return is still waiting at the end of the history. */
function checkWait(
  wait: WaitOperation,
  historyEnd: number,
  wakeUpSlackMs: number,
  findings: Findings,
): void {
  const { calledAt, returnedAt, waitMs, outcome, readableAt } = wait;
  const deadline = calledAt + waitMs;
  const endedAt = returnedAt ?? historyEnd;
  const couldAnswerAt = readableAt ?? Infinity;
  if (outcome === 'nothing' && couldAnswerAt < Math.min(deadline, endedAt)) {
    findings.add('missed wake-up', `readable at ${couldAnswerAt}: ${describe(wait)}`);
    return;
  }
  const dueAt = Math.max(calledAt, Math.min(deadline, couldAnswerAt));
  if (endedAt > dueAt + wakeUpSlackMs) {
    findings.add('late wake-up', `due at ${dueAt}: ${describe(wait)}`);
  }
}
