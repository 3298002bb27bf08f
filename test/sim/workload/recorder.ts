/** Notes what clients ask for and what they are told, as the checker wants it. */
import { LogLogError } from '../../../proto/errors.js';
import type { Clock } from '../../../proto/clock.js';
import type {
  AppendOperation,
  Fingerprint,
  Operation,
  ReadOperation,
  WaitOperation,
} from '../../checker/history.js';

/** So that of two moments at one time of the clock the later one is later here too. */
const tickMs = 1e-6;

type Outcome = AppendOperation['outcome'];
const neverReturned: Outcome = { type: 'unknown', code: 'NO_ANSWER' };

/** An append that has begun. */
export interface OpenAppend {
  /** Called once; not at all if its client is told nothing. */
  end(outcome: Outcome): void;
}

export class Recorder {
  /** Appends that were acknowledged. */
  acknowledged = 0;
  /** Appends that demanded a fencing token, by the fingerprints of their entries. */
  readonly tokens = new Map<Fingerprint, string>();
  readonly #clock: Clock;
  readonly #operations: Operation[] = [];
  readonly #open = new Set<AppendOperation>();
  #lastMs = 0;
  #names = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Later than every moment before. */
  now(): number {
    this.#lastMs = Math.max(this.#clock.monotonicMs(), this.#lastMs + tickMs);
    return this.#lastMs;
  }

  /** A name that nothing else in the run has. */
  name(author: string): string {
    this.#names += 1;
    return `${author}.${this.#names}`;
  }

  append(session: string, entries: readonly Fingerprint[], expect?: number): OpenAppend {
    const operation: AppendOperation = {
      type: 'append',
      session,
      calledAt: this.now(),
      returnedAt: null,
      entries,
      ...(expect !== undefined && { expect }),
      outcome: neverReturned,
    };
    this.#open.add(operation);
    return {
      end: (outcome) => {
        if (!this.#open.delete(operation)) throw new Error('an append ends once');
        if (outcome.type === 'acknowledged') this.acknowledged += 1;
        this.#operations.push({ ...operation, returnedAt: this.now(), outcome });
      },
    };
  }

  /** `read.stream` names the reader that the page is one of, if it follows the one before. */
  read(read: Omit<ReadOperation, 'type' | 'returnedAt'>): void {
    this.#operations.push({ type: 'read', returnedAt: this.now(), ...read });
  }

  end(session: string, calledAt: number, dataEnd: number, linearizable: boolean): void {
    const returnedAt = this.now();
    this.#operations.push({ type: 'end', session, calledAt, returnedAt, dataEnd, linearizable });
  }

  wait(operation: Omit<WaitOperation, 'type' | 'returnedAt'>): void {
    this.#operations.push({ type: 'wait', returnedAt: this.now(), ...operation });
  }

  /** Everything so far; what has no answer yet never gets one. */
  get operations(): readonly Operation[] {
    return [...this.#operations, ...this.#open];
  }
}

/** What the error says of the outcome. Anything else than a LogLogError is a defect. */
export function outcomeOf(error: unknown): Outcome {
  if (!(error instanceof LogLogError)) throw error;
  const { code, outcome } = error;
  return outcome === 'none' ? { type: 'failed', code } : { type: 'unknown', code };
}
