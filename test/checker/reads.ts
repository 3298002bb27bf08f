/** Content: whether each read is equal to the final log in its range. */
import type { FinalLog } from './final-log.js';
import type { Findings, ViolationKind } from './findings.js';
import { describe } from './findings.js';
import type { History, ReadOperation } from './history.js';

export function checkReads({ operations }: History, log: FinalLog, findings: Findings): void {
  for (const operation of operations) {
    if (operation.type !== 'read' || operation.returnedAt === null) continue;
    const difference = firstDifference(operation, log);
    if (difference === undefined) continue;
    const { kind, what } = difference;
    findings.add(kind, `${what}: ${describe(operation)}`);
  }
}

interface Difference {
  readonly kind: ViolationKind;
  readonly what: string;
}

function firstDifference(read: ReadOperation, log: FinalLog): Difference | undefined {
  const first = log.entryAtOrBehind(read.from);
  const count = Math.max(log.entryAtOrBehind(read.next) - first, read.entries.length);
  for (let n = 0; n < count; n += 1) {
    const entry = log.entries[first + n];
    const stored = entry !== undefined && entry.offset < read.next ? entry : undefined;
    const found = read.entries[n];
    if (stored !== undefined && (found === undefined || found.offset > stored.offset)) {
      return { kind: 'gap', what: `lacks ${stored.fingerprint} at ${stored.offset}` };
    }
    if (found !== undefined && found.offset !== stored?.offset) {
      return { kind: 'extra', what: `has ${found.fingerprint} at ${found.offset}` };
    }
    if (found?.fingerprint !== stored?.fingerprint) {
      const bytes = `has ${found?.fingerprint}, not ${stored?.fingerprint}`;
      return { kind: 'changed', what: `${bytes}, at ${stored?.offset}` };
    }
  }
  return undefined;
}
