import { LogLogError } from '../proto/errors.js';
import type { Bytes } from './arguments.js';
import { checkOffset, checkToken, toEntries } from './arguments.js';
import type { Cluster } from './cluster.js';
import { Deadlines } from './deadlines.js';
import type { IntakeLimits } from './intake.js';
import { Producer } from './producer.js';
import type { CallOptions } from './scope.js';
import { Scope } from './scope.js';
import type { Appended, Terms } from './submission.js';
import { plainTerms, Submission } from './submission.js';

const timeoutMsDefault = 30_000;

export interface AppendOptions extends CallOptions {
  /** Refused with CONDITION_FAILED unless the last data batch ends here: `end` of an append. */
  readonly expect?: number;
  /** Refused with TOKEN_MISMATCH unless this fencing token is in force. */
  readonly token?: Bytes;
}

/** Appends that wait for their answer, all by one producer that begins with the first of them. */
export class Appender {
  readonly #cluster: Cluster;
  readonly #deadlines: Deadlines;
  readonly #limits: IntakeLimits;
  #producer: Producer | undefined;
  /** Why it takes no more appends. */
  #closed: LogLogError | undefined;
  /** Why nothing is sent any more. */
  #ended: LogLogError | undefined;

  constructor(cluster: Cluster, limits: IntakeLimits) {
    this.#cluster = cluster;
    this.#deadlines = new Deadlines(cluster.environment.clock);
    this.#limits = limits;
  }

  /** One promise and nothing async: promises are much of what an append costs its caller's thread. */
  append(
    kind: Terms['kind'],
    data: Bytes | readonly Bytes[],
    options: AppendOptions,
  ): Promise<Appended> {
    return new Promise((resolve, reject) => {
      if (this.#closed !== undefined) throw this.#closed;
      const entries = toEntries(data);
      if (kind === 'data' && entries.every((entry) => entry.length === 0)) {
        throw new LogLogError('EMPTY_APPEND', 'there is nothing to append');
      }
      const { timeoutMs = timeoutMsDefault, signal } = options;
      const terms = termsOf(kind, options);
      const first = new Submission(entries, terms);
      const scope = new Scope(this.#deadlines, 'an append', { timeoutMs, signal });
      const submit = (submission: Submission) => {
        submission.onSettled = (error) => {
          // The log has forgotten an idle producer, and nothing has happened: another one may try.
          if (error !== undefined && isForgotten(error) && submission === first) {
            return submit(new Submission(entries, terms));
          }
          scope.end();
          if (error === undefined) resolve(submission.appended);
          else reject(error);
        };
        this.#submit(submission, scope);
      };
      submit(first);
    });
  }

  /** Takes nothing more, and resolves when every append so far has its answer. */
  async close(error: LogLogError): Promise<void> {
    this.#closed = error;
    await this.#producer?.settled();
  }

  end(error: LogLogError): void {
    this.#ended ??= error;
    this.#producer?.end(error);
  }

  #submit(submission: Submission, scope: Scope): void {
    if (this.#ended !== undefined) return submission.reject(this.#ended, 'none');
    if (this.#producer === undefined || this.#producer.ended !== undefined) {
      this.#producer = new Producer(this.#cluster, this.#limits, () => {});
    }
    this.#producer.submit(submission, scope);
  }
}

function termsOf(kind: Terms['kind'], { expect, token }: AppendOptions): Terms {
  if (kind === 'data' && expect === undefined && token === undefined) return plainTerms;
  return {
    kind,
    ...(expect !== undefined && { expect: checkOffset('expect', expect) }),
    ...(token !== undefined && { token: checkToken(token) }),
  };
}

function isForgotten(error: LogLogError): boolean {
  return error.code === 'PRODUCER_EXPIRED' && error.outcome === 'none';
}
