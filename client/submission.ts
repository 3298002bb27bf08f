import type { LogLogError, Outcome } from '../proto/errors.js';
import { assert, withOutcome } from '../proto/errors.js';
import { entryLengthBytes, headerBytes } from '../proto/limits.js';
import type { Acknowledgement } from '../proto/service.js';
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

/** Those of most entries. */
export const plainTerms: Terms = { kind: 'data' };

/**
 * `waiting` for room, `collected` into a batch that has not left, `sent` at least once, or
 * `settled`, which its caller knows of. A batch goes on to its end after its caller has given up.
 */
export type Stage = 'waiting' | 'collected' | 'sent' | 'settled';

/** What a submission asks of the batch that it lies in. */
export interface Carrier {
  /** Of everything in it that is not given up. */
  readonly stage: Stage;
  /** Why it had to wait, last. */
  readonly trouble: LogLogError | undefined;
  /** How it has ended: one of the two. */
  readonly acknowledgement: Acknowledgement | undefined;
  readonly failure: LogLogError | undefined;
  /** The submission is to be told what becomes of the batch. */
  attach(submission: Submission): void;
}

const noLengths: readonly number[] = [];

/**
 * Entries of one call: all of them become durable together, or none. There may be a great many, so
 * what becomes of them is asked of their batch, which knows only those that want to be told.
 */
export class Submission {
  readonly terms: Terms;
  readonly entryCount: number;
  /** Taken in the body of a batch. */
  readonly bytes: number;
  /** Where its first entry's length lies in the body of its batch. */
  at = 0;
  /** Its caller may give it up. */
  isRemovable = false;
  /** Called once: when it is given up or refused, or by a batch that it is attached to. */
  onSettled: ((error?: LogLogError) => void) | undefined;
  /** Of entries that are more than one. */
  readonly #lengths: readonly number[];
  #entries: readonly Uint8Array[];
  #batch: Carrier | undefined;
  /** Its own: it was given up, or refused before it was in a batch. */
  #failure: LogLogError | undefined;
  #isTold = false;
  #taken: Deferred<void> | undefined;
  #durable: Deferred<Appended> | undefined;

  /** Throws what makes the entries impossible to append. */
  constructor(entries: readonly Uint8Array[], terms: Terms) {
    this.terms = terms;
    this.entryCount = entries.length;
    this.bytes = checkEntries(entries);
    this.#entries = entries;
    this.#lengths = entries.length > 1 ? entries.map((entry) => entry.length) : noLengths;
  }

  get stage(): Stage {
    if (this.#failure !== undefined) return 'settled';
    return this.#batch?.stage ?? 'waiting';
  }

  /** Why its batch had to wait, last. */
  get trouble(): LogLogError | undefined {
    return this.#batch?.trouble;
  }

  /** Shares no batch: its conditions are about it alone. */
  get isAlone(): boolean {
    if (this.terms === plainTerms) return false;
    const { kind, expect, token } = this.terms;
    return kind !== 'data' || expect !== undefined || token !== undefined;
  }

  /** Resolves when the entries have been copied. */
  get taken(): Promise<void> {
    this.#taken ??= deferred();
    if (this.#failure !== undefined) this.#taken.reject(this.#failure);
    else if (this.#batch !== undefined) this.#taken.resolve();
    return this.#taken.promise;
  }

  get durable(): Promise<Appended> {
    if (this.#durable === undefined) {
      this.#durable = deferred();
      this.#batch?.attach(this);
      this.#tell();
    }
    return this.#durable.promise;
  }

  /** Somebody waits for it to be durable. */
  get isAwaited(): boolean {
    return this.#durable !== undefined;
  }

  /** Where its entries lie, once their batch is acknowledged. */
  get appended(): Appended {
    const acknowledgement = this.#batch?.acknowledgement;
    assert(acknowledgement !== undefined, 'only what is acknowledged has its place');
    const offset = acknowledgement.offset + headerBytes + this.at;
    return { offset, end: acknowledgement.end, offsets: this.#offsetsFrom(offset) };
  }

  /** Its entries, to be copied into the batch at `at`; they are the caller's again afterwards. */
  join(batch: Carrier, at: number): readonly Uint8Array[] {
    const entries = this.#entries;
    this.#entries = [];
    this.#batch = batch;
    this.at = at;
    this.#taken?.resolve();
    return entries;
  }

  /** By its batch, which has come to its end. */
  tell(): void {
    if (this.#isTold) return;
    this.#isTold = true;
    this.onSettled?.(this.#failure ?? this.#batch?.failure);
    this.#tell();
  }

  /** It is given up, or nothing can become of it. */
  reject(error: LogLogError, outcome: Outcome): void {
    if (this.stage === 'settled') return;
    this.#failure = withOutcome(error, outcome);
    this.#entries = [];
    this.#taken?.reject(this.#failure);
    this.tell();
  }

  #tell(): void {
    const failure = this.#failure ?? this.#batch?.failure;
    if (failure !== undefined) this.#durable?.reject(failure);
    else if (this.#batch?.acknowledgement !== undefined) this.#durable?.resolve(this.appended);
  }

  #offsetsFrom(offset: number): number[] {
    const offsets = [offset];
    let next = offset;
    for (const bytes of this.#lengths.slice(0, -1)) {
      next += entryLengthBytes + bytes;
      offsets.push(next);
    }
    return offsets;
  }
}
