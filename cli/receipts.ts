/** What became of a stream of entries, in the order in which they were written. */
import type { Ticket } from '../index.js';
import { LogLogError, withOutcome } from '../proto/errors.js';

export type Acknowledgement = Awaited<Ticket['durable']>;

export class Receipts {
  readonly #onAcknowledged: (acknowledgement: Acknowledgement, bytes: number) => Promise<void>;
  #settled: Promise<void> = Promise.resolve();
  #failure: LogLogError | undefined;
  #count = 0;
  #waiting = 0;

  /** Called in order, one at a time, up to the first entry that failed: so they can be counted. */
  constructor(onAcknowledged: (acknowledgement: Acknowledgement, bytes: number) => Promise<void>) {
    this.#onAcknowledged = onAcknowledged;
  }

  /** Entries so far. */
  get count(): number {
    return this.#count;
  }

  /** Entries of which it is not known yet what became of them. */
  get waiting(): number {
    return this.#waiting;
  }

  get failed(): boolean {
    return this.#failure !== undefined;
  }

  add({ durable }: Ticket, bytes: number): void {
    this.#count++;
    this.#waiting++;
    this.#settled = this.#settled.then(async () => {
      const result = await durable.then(
        (acknowledgement) => ({ acknowledgement }),
        (error: unknown) => ({ error }),
      );
      this.#waiting--;
      if ('error' in result) this.#fail(result.error);
      else if (this.#failure !== undefined) this.#failure = withOutcome(this.#failure, 'unknown');
      else await this.#onAcknowledged(result.acknowledgement, bytes);
    });
    // Whoever awaits settled() is told.
    this.#settled.catch(() => {});
  }

  /**
   * Resolves when every entry so far is acknowledged. Otherwise throws the first failure, with an
   * unknown outcome if that entry, or one behind it, may be in the log.
   */
  async settled(): Promise<void> {
    await this.#settled;
    if (this.#failure !== undefined) throw this.#failure;
  }

  #fail(error: unknown): void {
    if (!(error instanceof LogLogError)) throw error;
    this.#failure ??= error;
    if (error.outcome !== 'none') this.#failure = withOutcome(this.#failure, 'unknown');
  }
}
