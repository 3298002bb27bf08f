/** A writer: entries in, in order, each exactly once; tickets tell when they are durable. */
import type { Clock } from '../proto/clock.js';
import { LogLogError } from '../proto/errors.js';
import { bodyBytesMax } from '../proto/limits.js';
import type { Bytes } from './arguments.js';
import { checkLimit, toBytes } from './arguments.js';
import type { Cluster } from './cluster.js';
import { Deadlines } from './deadlines.js';
import type { IntakeLimits } from './intake.js';
import { batchesInFlightMax, Producer } from './producer.js';
import { asLogLogError } from './retry.js';
import type { CallOptions } from './scope.js';
import { Scope } from './scope.js';
import { plainTerms, Submission } from './submission.js';

/** Fewer batches cost the nodes less, and readers take about as much at a time (docs/BENCHMARKS.md). */
export const batchBytesDefault = 2 ** 20;
/** As much as may be on its way: more would only wait, and be no faster (docs/BENCHMARKS.md). */
const bytesInFlightMaxDefault = batchesInFlightMax * batchBytesDefault;
export const closeTimeoutMsDefault = 5000;

export interface WriterOptions {
  /**
   * Entries are packed into batches of about this many bytes; 1 MiB by default. Whoever reads one
   * entry is sent its whole batch.
   */
  readonly batchBytes?: number;
  /** Bytes taken in and not yet durable, beyond which `write` waits; 8 MiB by default. */
  readonly bytesInFlightMax?: number;
  /**
   * How long an entry may take to be durable; for ever by default. When it has passed the ticket
   * fails with DEADLINE: with outcome `none` the entry was never sent and never will be, with
   * `unknown` it is still on its way. Entries behind it go on either way.
   */
  readonly timeoutMs?: number;
}

export interface Position {
  /** The entry's address. */
  readonly offset: number;
  /** Behind the batch that it lies in. */
  readonly end: number;
}

export interface Ticket {
  /** Resolves when the entry is durable on a quorum. May be ignored: `flush` tells failures too. */
  readonly durable: Promise<Position>;
}

export class Writer {
  readonly #clock: Clock;
  readonly #deadlines: Deadlines;
  readonly #producer: Producer;
  readonly #entryOptions: CallOptions;
  readonly #onSettled = (error?: LogLogError) => {
    this.#failure ??= error;
  };
  #failure: LogLogError | undefined;
  #isClosed = false;
  readonly #onEnd: () => void;

  /** `onEnd`: it needs no closing any more. */
  constructor(cluster: Cluster, options: WriterOptions, onEnd: () => void) {
    this.#clock = cluster.environment.clock;
    this.#deadlines = new Deadlines(this.#clock);
    this.#producer = new Producer(cluster, intakeLimits(options), this.#onSettled);
    this.#entryOptions = options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs };
    this.#onEnd = onEnd;
  }

  /** Bytes of entries, framed, that are taken in and not yet durable. */
  get bytesInFlight(): number {
    return this.#producer.bytesInFlight;
  }

  /**
   * Resolves when the entry is taken in, and waits while too much is in flight. The data may be
   * reused then. Calls are taken in the order in which they are made. Aborting `signal` gives the
   * entry up, as a deadline does.
   */
  write(data: Bytes, options: { readonly signal?: AbortSignal } = {}): Promise<Ticket> {
    // No async function: most entries wait for nothing, and of those there are millions a second.
    try {
      const submission = this.#submit(data, options);
      const isTaken = submission.stage === 'collected' && this.#producer.turn === undefined;
      return isTaken ? Promise.resolve(submission) : this.#taken(submission);
    } catch (error) {
      return Promise.reject(asLogLogError(error));
    }
  }

  #submit(data: Bytes, options: CallOptions): Submission {
    if (this.#isClosed) throw new LogLogError('CLOSED', 'the writer is closed');
    const submission = new Submission([toBytes(data)], plainTerms);
    submission.onSettled = this.#onSettled;
    const isBounded = this.#entryOptions.timeoutMs !== undefined || options.signal !== undefined;
    this.#producer.submit(submission, isBounded ? this.#scopeOf(submission, options) : undefined);
    return submission;
  }

  async #taken(submission: Submission): Promise<Ticket> {
    if (submission.stage !== 'collected') await submission.taken;
    if (this.#producer.turn !== undefined) await this.#producer.turn;
    return submission;
  }

  #scopeOf(submission: Submission, options: CallOptions): Scope {
    const scope = new Scope(this.#deadlines, 'a write', { ...this.#entryOptions, ...options });
    submission.onSettled = (error) => {
      scope.end();
      this.#onSettled(error);
    };
    return scope;
  }

  /**
   * Resolves when everything written so far is durable. Rejects if any entry of this writer has
   * failed, with the first failure: what came behind it may be in the log without it.
   */
  async flush(): Promise<void> {
    await this.#producer.settled();
    if (this.#failure !== undefined) throw this.#failure;
  }

  /**
   * Flushes for at most `timeoutMs` (5 s by default), then ends the writer: what is not durable by
   * then fails with CLOSED. Rejects like `flush`.
   */
  async close({ timeoutMs = closeTimeoutMsDefault }: { timeoutMs?: number } = {}): Promise<void> {
    this.#isClosed = true;
    const late = () => this.#end(`the writer was closed, and not done within ${timeoutMs} ms`);
    const timer = this.#clock.after(timeoutMs, late);
    try {
      await this.flush();
    } finally {
      timer.cancel();
      this.#end('the writer is closed');
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #end(message: string): void {
    this.#producer.end(new LogLogError('CLOSED', message));
    this.#onEnd();
  }
}

/** Checked; what is not given takes its default. */
export function intakeLimits(options: WriterOptions): IntakeLimits {
  const { batchBytes = batchBytesDefault, bytesInFlightMax = bytesInFlightMaxDefault } = options;
  checkLimit('batchBytes', batchBytes);
  checkLimit('bytesInFlightMax', bytesInFlightMax);
  return { batchBytes: Math.min(batchBytes, bodyBytesMax), bytesInFlightMax };
}
