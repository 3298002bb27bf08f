/** What it takes to plant something in a valid history. */
import type { RandomSource } from '../../proto/clock.js';
import { pick } from './choice.js';
import type {
  AppendOperation,
  EndOperation,
  FinalBatch,
  FoundEntry,
  History,
  Operation,
  ReadOperation,
  WaitOperation,
} from './history.js';

/** Thrown where a history has no place for what is to be planted. */
export class NoPlace extends Error {}

export function noPlace(): never {
  throw new NoPlace('there is no place in this history');
}

export function found<Value>(value: Value | undefined): Value {
  return value ?? noPlace();
}

export interface Acknowledged extends AppendOperation {
  readonly returnedAt: number;
  readonly outcome: AppendOperation['outcome'] & { readonly type: 'acknowledged' };
}

export interface Refused extends AppendOperation {
  readonly returnedAt: number;
  readonly outcome: AppendOperation['outcome'] & { readonly type: 'failed'; readonly end: number };
}

export function isAcknowledged(operation: Operation): operation is Acknowledged {
  return operation.type === 'append' && operation.outcome.type === 'acknowledged';
}

export function isFailed(operation: Operation): operation is AppendOperation {
  return operation.type === 'append' && operation.outcome.type === 'failed';
}

export function isUnknown(operation: Operation): operation is AppendOperation {
  return operation.type === 'append' && operation.outcome.type === 'unknown';
}

export function isRefused(operation: Operation): operation is Refused {
  return isFailed(operation) && 'end' in operation.outcome;
}

export function isRead(operation: Operation): operation is ReadOperation {
  return operation.type === 'read';
}

export function isEnd(operation: Operation): operation is EndOperation {
  return operation.type === 'end';
}

export function isLinearizable(operation: Operation): operation is EndOperation {
  return operation.type === 'end' && operation.linearizable;
}

export function isWait(operation: Operation): operation is WaitOperation {
  return operation.type === 'wait';
}

/** Any of the operations for which something holds. */
export function choose<Kind extends Operation>(
  { operations }: History,
  random: RandomSource,
  isKind: (operation: Operation) => operation is Kind,
  holds: (operation: Kind) => boolean = () => true,
): Kind {
  const choice = operations.filter(isKind).filter(holds);
  return choice.length === 0 ? noPlace() : pick(choice, random);
}

export function retold(history: History, operation: Operation, changed: Operation): History {
  const { operations } = history;
  return { ...history, operations: operations.with(operations.indexOf(operation), changed) };
}

export function rewritten(
  history: History,
  batch: FinalBatch,
  ...instead: readonly FinalBatch[]
): History {
  const { final } = history;
  return { ...history, final: final.toSpliced(final.indexOf(batch), 1, ...instead) };
}

/** With a batch of these entries at the end of the log. */
export function extended(history: History, entries: readonly string[]): History {
  const offset = history.final.at(-1)?.end ?? 0;
  const stored = entries.map((fingerprint, n) => ({ offset: offset + n, fingerprint }));
  const batch = { offset, end: offset + entries.length, entries: stored };
  return { ...history, final: [...history.final, batch] };
}

/** The batch that holds the first entry of an append. */
export function batchOf({ final }: History, { entries }: AppendOperation): FinalBatch {
  return found(
    final.find((batch) => batch.entries.some(({ fingerprint }) => fingerprint === entries[0])),
  );
}

export function dataEndBefore({ final }: History, batch: FinalBatch): number {
  return final[final.indexOf(batch) - 1]?.end ?? 0;
}

/** The last batch that somebody knows of who has got so far. */
export function lastBatchBelow({ final }: History, offset: number): FinalBatch {
  return found(final.findLast((batch) => batch.offset < offset));
}

export function entriesBetween({ final }: History, from: number, next: number): FoundEntry[] {
  return final
    .flatMap(({ entries }) => entries)
    .filter(({ offset }) => from <= offset && offset < next);
}

/** The session's look at the log just before this one; undefined if it was no look. */
export function previousLook(
  { operations }: History,
  operation: Operation,
): ReadOperation | EndOperation | undefined {
  const previous = operations
    .slice(0, operations.indexOf(operation))
    .findLast(({ session }) => session === operation.session);
  return previous?.type === 'read' || previous?.type === 'end' ? previous : undefined;
}
