/** Notes what clients ask and are told, as the history checker wants it (test/checker/history.ts). */
import type { Appended, Position } from '../../index.js';
import { LogLogError } from '../../index.js';
import type { AppendOperation, Fingerprint, Operation } from '../checker/history.js';
import type { Contents } from './content.js';

type AppendOutcome = AppendOperation['outcome'];

/** An append that has no answer yet. */
export interface Attempt {
  readonly session: string;
  readonly calledAt: number;
  readonly entries: readonly Fingerprint[];
  readonly expect?: number;
}

export class Recorder {
  readonly contents: Contents;
  readonly operations: Operation[] = [];
  /** Entries, by what became of them. */
  acknowledged = 0;
  unknown = 0;
  failed = 0;
  readonly #pending = new Set<Attempt>();
  #lastTime = 0;

  constructor(contents: Contents) {
    this.contents = contents;
  }

  /** Milliseconds; later with every call. */
  now(): number {
    this.#lastTime = Math.max(performance.now(), this.#lastTime + 1e-4);
    return this.#lastTime;
  }

  get pendingCount(): number {
    return this.#pending.size;
  }

  /** An append of new entries is about to be asked for. */
  begin(session: string, count: number, expect?: number): { attempt: Attempt; data: Buffer[] } {
    const made = Array.from({ length: count }, () => this.contents.make());
    const attempt: Attempt = {
      session,
      calledAt: this.now(),
      entries: made.map(({ fingerprint }) => fingerprint),
      ...(expect !== undefined && { expect }),
    };
    this.#pending.add(attempt);
    return { attempt, data: made.map(({ bytes }) => bytes) };
  }

  /** Resolves when the append has its answer; with the error, if it failed. */
  async settle(
    attempt: Attempt,
    answer: Promise<Position | Appended>,
  ): Promise<LogLogError | undefined> {
    try {
      const position = await answer;
      const offsets = 'offsets' in position ? position.offsets : [position.offset];
      this.acknowledged += attempt.entries.length;
      this.#end(attempt, { type: 'acknowledged', offsets, end: position.end });
      return undefined;
    } catch (error) {
      if (!(error instanceof LogLogError)) throw error;
      this.#end(attempt, outcomeOf(error));
      return error;
    }
  }

  add(operation: Operation): void {
    this.operations.push(operation);
  }

  /** What has no answer is told as such; nothing may be noted after this. */
  finish(): readonly Operation[] {
    for (const attempt of this.#pending) {
      this.unknown += attempt.entries.length;
      const outcome = { type: 'unknown', code: 'NONE' } as const;
      this.add({ type: 'append', ...attempt, returnedAt: null, outcome });
    }
    this.#pending.clear();
    return this.operations;
  }

  #end(attempt: Attempt, outcome: AppendOutcome): void {
    this.#pending.delete(attempt);
    if (outcome.type === 'unknown') this.unknown += attempt.entries.length;
    if (outcome.type === 'failed') this.failed += attempt.entries.length;
    this.add({ type: 'append', ...attempt, returnedAt: this.now(), outcome });
  }
}

function outcomeOf({ code, outcome, end }: LogLogError): AppendOutcome {
  if (outcome !== 'none') return { type: 'unknown', code };
  return { type: 'failed', code, ...(code === 'CONDITION_FAILED' && end !== undefined && { end }) };
}
