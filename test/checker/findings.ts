import type { Operation, Violation } from './history.js';

/** Each way in which a history can break a promise. */
export type ViolationKind =
  /** The history itself cannot be: a return before its call, one fingerprint asked for twice. */
  | 'malformed'
  /** Batches or entries of the final log overlap, or are not in order. */
  | 'overlap'
  /** The log holds what nobody appended. */
  | 'phantom'
  /** The log holds an entry more than once. */
  | 'duplicated'
  /** The log holds what definitely failed. */
  | 'failed'
  /** Acknowledged and not in the log. */
  | 'lost'
  /** In the log in part, or not in one piece. */
  | 'torn'
  /** Acknowledged with an offset where the entry is not. */
  | 'offset'
  /** Acknowledged with an end that is not its batch's. */
  | 'end'
  /** Behind another batch than the one that it demanded. */
  | 'expect'
  /** A condition was refused although it held. */
  | 'refusal'
  /** Appended after another append was acknowledged, and before it in the log. */
  | 'reordered'
  /** Appends of one writer, not in the order of its calls. */
  | 'writer'
  /** A linearizable end that misses what was known before the question. */
  | 'stale'
  /** Told of an append that was not called yet. */
  | 'future'
  /** An end at which no data batch ends. */
  | 'boundary'
  /** A read has other bytes at an offset than the log. */
  | 'changed'
  /** A read lacks an entry of its range. */
  | 'gap'
  /** A read has an entry where the log has none, or outside its range. */
  | 'extra'
  /** A page does not begin where its reader's last one ended. */
  | 'stream'
  /** A session was told a linearizable end behind what it had been told before. */
  | 'session'
  /** A wait ended with nothing although there was something. */
  | 'missed wake-up'
  /** A wait ended, if at all, long after it could have. */
  | 'late wake-up';

export class Findings {
  readonly violations: Violation[] = [];

  add(kind: ViolationKind, message: string): void {
    this.violations.push({ kind, message });
  }

  get isEmpty(): boolean {
    return this.violations.length === 0;
  }
}

/** What a person needs to find the operation in its history. */
export function describe(operation: Operation): string {
  const { session, calledAt, returnedAt } = operation;
  return `${nameOf(operation)} (${session}, ${calledAt} to ${returnedAt ?? 'no return'})`;
}

function nameOf(operation: Operation): string {
  switch (operation.type) {
    case 'append': {
      const { entries, outcome } = operation;
      const more = entries.length > 1 ? ` and ${entries.length - 1} more` : '';
      return `${outcome.type} append of ${entries[0]}${more}`;
    }
    case 'read':
      return `read of ${operation.from} to ${operation.next}`;
    case 'end':
      return `${operation.linearizable ? 'linearizable' : "one node's"} end ${operation.dataEnd}`;
    case 'wait':
      return `wait at ${operation.offset} for ${operation.waitMs} ms`;
  }
}
