import type { Clock } from '../proto/clock.js';
import type { LogLogError } from '../proto/errors.js';
import type { Cluster } from './cluster.js';
import type { IntakeLimits } from './intake.js';
import { Producer } from './producer.js';
import { asLogLogError } from './retry.js';
import type { CallOptions } from './scope.js';
import { Scope } from './scope.js';
import type { Appended, Terms } from './submission.js';
import { Submission } from './submission.js';

/** Appends that wait for their answer, all by one producer that begins with the first of them. */
export class Appender {
  readonly #cluster: Cluster;
  readonly #clock: Clock;
  readonly #limits: IntakeLimits;
  #producer: Producer | undefined;
  #ended: LogLogError | undefined;

  constructor(cluster: Cluster, limits: IntakeLimits) {
    this.#cluster = cluster;
    this.#clock = cluster.environment.clock;
    this.#limits = limits;
  }

  async append(
    entries: readonly Uint8Array[],
    terms: Terms,
    options: CallOptions,
  ): Promise<Appended> {
    const first = new Submission(entries, terms);
    const scope = new Scope(this.#clock, 'an append', options);
    try {
      return await this.#submit(first, scope);
    } catch (error) {
      if (!isForgotten(asLogLogError(error))) throw error;
      // The log has forgotten an idle producer, and nothing has happened: another one may try.
      return await this.#submit(new Submission(entries, terms), scope);
    } finally {
      scope.end();
    }
  }

  /** Resolves when every append so far has its answer. */
  async settled(): Promise<void> {
    await this.#producer?.settled();
  }

  end(error: LogLogError): void {
    this.#ended ??= error;
    this.#producer?.end(error);
  }

  #submit(submission: Submission, scope: Scope): Promise<Appended> {
    if (this.#ended !== undefined) throw this.#ended;
    if (this.#producer === undefined || this.#producer.ended !== undefined) {
      this.#producer = new Producer(this.#cluster, this.#limits, () => {});
    }
    this.#producer.submit(submission, scope);
    return submission.durable;
  }
}

function isForgotten(error: LogLogError): boolean {
  return error.code === 'PRODUCER_EXPIRED' && error.outcome === 'none';
}
