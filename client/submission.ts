import type { Outcome } from '../proto/errors.js';
import { LogLogError, withOutcome } from '../proto/errors.js';
import { entryLengthBytes } from '../proto/limits.js';
import { checkEntries } from './arguments.js';
import type { Deferred } from './deferred.js';
import { deferred } from './deferred.js';

/** Where entries lie that were handed in together. */
export interface Appended {
  /** Address of the first entry. */
  readonly offset: number;
  /** Behind the batch: what the next `expect` wants. */
  readonly end: number;
  /** Address of each entry, in order. */
  readonly offsets: readonly number[];
}

/** What the leader is asked for, beyond ordering the entries. */
export interface Terms {
  readonly kind: 'data' | 'fence';
  readonly expect?: number;
  readonly token?: Buffer;
}

/**
 * `waiting` for room, `collected` into a batch that has not left, `sent` at least once, or
 * `settled`, which its caller knows of. A batch goes on to its end after its caller has given up.
 */
export type Stage = 'waiting' | 'collected' | 'sent' | 'settled';

type Result =
  | { readonly type: 'appended'; readonly offset: number; readonly end: number }
  | { readonly type: 'failed'; readonly error: LogLogError };

type SettledHandler = (submission: Submission, error?: LogLogError) => void;

/**
 * Entries of one call: all of them become durable together, or none. There may be a great many,
 * so that promises are made only for those who ask.
 */
export class Submission {
  readonly terms: Terms;
  /** Taken in the body of a batch. */
  readonly bytes: number;
  readonly #entryBytes: readonly number[];
  #entries: readonly Uint8Array[];
  #stage: Stage = 'waiting';
  #trouble: LogLogError | undefined;
  #result: Result | undefined;
  #taken: Deferred<void> | undefined;
  #durable: Deferred<Appended> | undefined;
  #onSettled: SettledHandler[] | undefined;

  /** Throws what makes the entries impossible to append. */
  constructor(entries: readonly Uint8Array[], terms: Terms) {
    this.terms = terms;
    this.bytes = checkEntries(entries);
    this.#entries = entries;
    this.#entryBytes = entries.map((entry) => entry.length);
  }

  get stage(): Stage {
    return this.#stage;
  }

  get entryCount(): number {
    return this.#entryBytes.length;
  }

  /** Shares no batch: its conditions are about it alone. */
  get isAlone(): boolean {
    const { kind, expect, token } = this.terms;
    return kind !== 'data' || expect !== undefined || token !== undefined;
  }

  /** Resolves when the entries have been copied. */
  get taken(): Promise<void> {
    this.#taken ??= deferred();
    if (this.#result?.type === 'failed') this.#taken.reject(this.#result.error);
    else if (this.#stage !== 'waiting') this.#taken.resolve();
    return this.#taken.promise;
  }

  get durable(): Promise<Appended> {
    if (this.#durable === undefined) {
      this.#durable = deferred();
      this.#tell();
    }
    return this.#durable.promise;
  }

  /** To be copied; they are the caller's again afterwards. */
  takeEntries(): readonly Uint8Array[] {
    const entries = this.#entries;
    this.#entries = [];
    return entries;
  }

  onSettled(run: SettledHandler): void {
    this.#onSettled ??= [];
    this.#onSettled.push(run);
  }

  noteCollected(): void {
    this.#stage = 'collected';
    this.#taken?.resolve();
  }

  noteSent(): void {
    if (this.#stage === 'collected') this.#stage = 'sent';
  }

  /** What a deadline, should it come, is to be explained with. */
  noteTrouble(error: LogLogError): void {
    this.#trouble = error;
  }

  /** `offset`: the address of the first entry. */
  resolve(offset: number, end: number): void {
    if (this.#stage === 'settled') return;
    this.#settle({ type: 'appended', offset, end });
  }

  reject(error: LogLogError, outcome: Outcome): void {
    if (this.#stage === 'settled') return;
    this.#settle({ type: 'failed', error: withOutcome(this.#explained(error), outcome) });
  }

  #explained(error: LogLogError): LogLogError {
    const trouble = this.#trouble;
    if (error.code !== 'DEADLINE' || trouble === undefined) return error;
    const message = `${error.message}; last: ${trouble.code} ${trouble.message}`;
    return new LogLogError('DEADLINE', message, { cause: trouble });
  }

  #settle(result: Result): void {
    const error = result.type === 'failed' ? result.error : undefined;
    this.#stage = 'settled';
    this.#result = result;
    this.#entries = [];
    for (const run of this.#onSettled ?? []) run(this, error);
    if (error !== undefined) this.#taken?.reject(error);
    this.#tell();
  }

  #tell(): void {
    if (this.#durable === undefined || this.#result === undefined) return;
    if (this.#result.type === 'failed') return this.#durable.reject(this.#result.error);
    const { offset, end } = this.#result;
    this.#durable.resolve({ offset, end, offsets: this.#offsetsFrom(offset) });
  }

  #offsetsFrom(offset: number): number[] {
    let next = offset;
    return this.#entryBytes.map((bytes) => {
      const at = next;
      next += entryLengthBytes + bytes;
      return at;
    });
  }
}
