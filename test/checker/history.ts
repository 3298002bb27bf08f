/**
 * What clients of a log did and were told, and the log as it was in the end: all that the checker
 * needs to tell whether the log kept its promises. Times are of one clock for all clients and never
 * go back; an operation happened at some moment between its call and its return.
 */

/** Stands for an entry's bytes: different for every entry that was ever asked to be appended. */
export type Fingerprint = string;

/** An entry as a reader or the final log has it. `offset` is the entry's own. */
export interface FoundEntry {
  readonly offset: number;
  readonly fingerprint: Fingerprint;
}

interface Call {
  /** Who asked. Operations of one session follow each other, but for appends of one writer. */
  readonly session: string;
  readonly calledAt: number;
  /** Null of an operation that never returned. */
  readonly returnedAt: number | null;
}

/** One append of one or more entries that commit together or not at all. */
export interface AppendOperation extends Call {
  readonly type: 'append';
  readonly entries: readonly Fingerprint[];
  /** The end of the last data batch that it demanded, if it did. */
  readonly expect?: number;
  readonly outcome:
    | { readonly type: 'acknowledged'; readonly offsets: readonly number[]; readonly end: number }
    /** Nothing happened, and nothing will. */
    | {
        readonly type: 'failed';
        readonly code: string;
        /** Of a refused condition: where the last data batch ended instead. */
        readonly end?: number;
      }
    /** It may have happened, or may still happen. An operation without a return is this. */
    | { readonly type: 'unknown'; readonly code: string };
}

/** One page, or what a tail delivered at once: every entry from `from` up to `next`. */
export interface ReadOperation extends Call {
  readonly type: 'read';
  readonly from: number;
  readonly next: number;
  readonly entries: readonly FoundEntry[];
  /** Reads of a session with the same name here are pages of one reader, each behind the last. */
  readonly stream?: string;
}

/** A question where the committed log ends. */
export interface EndOperation extends Call {
  readonly type: 'end';
  /** The end of the last data batch, as the answer has it. */
  readonly dataEnd: number;
  /** Asked of a quorum; otherwise of one node, which may lag behind but never lie. */
  readonly linearizable: boolean;
}

/** A read that blocked until there was something at `offset`, or its time was up. */
export interface WaitOperation extends Call {
  readonly type: 'wait';
  readonly offset: number;
  readonly waitMs: number;
  readonly outcome: 'more' | 'nothing' | 'failed';
  /**
   * When the node that was asked could first have answered with `more`; null if it never could
   * while the wait lasted, or if nobody knows.
   */
  readonly readableAt: number | null;
}

export type Operation = AppendOperation | ReadOperation | EndOperation | WaitOperation;

/** A data batch of the final log. */
export interface FinalBatch {
  readonly offset: number;
  readonly end: number;
  readonly entries: readonly FoundEntry[];
}

export interface History {
  /** In any order, but that calls of one session at the same instant follow each other. */
  readonly operations: readonly Operation[];
  /** Every data batch of the log in the end, in order. */
  readonly final: readonly FinalBatch[];
}

/** One way in which a history breaks a promise. */
export interface Violation {
  /** Which promise: lost, duplicated, reordered, phantom, changed, stale, ... */
  readonly kind: string;
  readonly message: string;
}
