import type { LogLogError, Outcome } from '../proto/errors.js';
import { withOutcome } from '../proto/errors.js';
import { entryLengthBytes } from '../proto/limits.js';
import { checkEntries } from './arguments.js';
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

/** Entries of one call: all of them become durable together, or none. */
export class Submission {
  readonly terms: Terms;
  /** Taken in the body of a batch. */
  readonly bytes: number;
  /** Resolves when the entries have been copied. */
  readonly taken = deferred<void>();
  readonly durable = deferred<Appended>();
  readonly #entryBytes: readonly number[];
  #entries: readonly Uint8Array[];
  #stage: Stage = 'waiting';
  readonly #onSettled: ((error?: LogLogError) => void)[] = [];

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

  /** To be copied; they are the caller's again afterwards. */
  takeEntries(): readonly Uint8Array[] {
    const entries = this.#entries;
    this.#entries = [];
    return entries;
  }

  /** Calls back when its caller gives up before it has settled. */
  onAbort(signal: AbortSignal, run: () => void): void {
    signal.addEventListener('abort', run, { once: true });
    this.onSettled(() => signal.removeEventListener('abort', run));
  }

  onSettled(run: (error?: LogLogError) => void): void {
    this.#onSettled.push(run);
  }

  noteCollected(): void {
    this.#stage = 'collected';
    this.taken.resolve();
  }

  noteSent(): void {
    if (this.#stage === 'collected') this.#stage = 'sent';
  }

  /** `at`: the address of the first entry. */
  resolve(at: number, end: number): void {
    if (this.#stage === 'settled') return;
    let next = at;
    const offsets = this.#entryBytes.map((bytes) => {
      const offset = next;
      next += entryLengthBytes + bytes;
      return offset;
    });
    this.#settle();
    this.durable.resolve({ offset: at, end, offsets });
  }

  reject(error: LogLogError, outcome: Outcome): void {
    if (this.#stage === 'settled') return;
    const told = withOutcome(error, outcome);
    this.#settle(told);
    this.taken.reject(told);
    this.durable.reject(told);
  }

  #settle(error?: LogLogError): void {
    this.#stage = 'settled';
    for (const run of this.#onSettled.splice(0)) run(error);
  }
}
