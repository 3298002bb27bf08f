/** The client's public face: the same over gRPC and in one process. */
import type { Entry } from '../proto/entries.js';
import { LogLogError } from '../proto/errors.js';
import { batchBytesMax } from '../proto/limits.js';
import type { EndReply, Page, TransferReply } from '../proto/service.js';
import type { Bytes } from './arguments.js';
import { checkLimit, checkOffset, checkToken } from './arguments.js';
import type { AppendOptions } from './appender.js';
import { Appender } from './appender.js';
import { Bounds } from './bounds.js';
import { ask, checkMember, routeTo } from './call.js';
import type { Environment } from './cluster.js';
import { Cluster } from './cluster.js';
import { readPage } from './read-page.js';
import type { ReadOptions } from './reader.js';
import { Reader } from './reader.js';
import type { CallOptions, Limits } from './scope.js';
import { Scope } from './scope.js';
import type { ClusterStatus } from './status.js';
import { clusterStatus } from './status.js';
import type { Appended } from './submission.js';
import type { WriterOptions } from './writer.js';
import { closeTimeoutMsDefault, intakeLimits, Writer } from './writer.js';

/** Of all appends of a client, framed; further ones wait. */
const appendsBytesInFlightMax = 16 * 2 ** 20;

const callTimeoutMsDefault = 30_000;
const connectTimeoutMsDefault = 10_000;
const statusTimeoutMsDefault = 2000;
const transferTimeoutMsDefault = 10_000;

export interface PageOptions extends CallOptions {
  readonly offset: number;
  /** Bytes, at most batchBytesMax; one batch is returned even if it is longer. */
  readonly limit: number;
  /** How long to wait when there is nothing yet; by default not at all. */
  readonly waitMs?: number;
  /** The id of the one node to ask. */
  readonly node?: string;
}

export interface ClientOptions extends Environment {
  /** Addresses of some of the nodes, at least one. */
  readonly seeds: readonly string[];
  /** The cluster that is meant; otherwise the one that answers first. */
  readonly clusterId?: string;
}

export function createClient({ seeds, clusterId, ...environment }: ClientOptions): Client {
  return new Client(new Cluster(environment, seeds, clusterId));
}

/** Every call ends by its deadline or signal, and says with its error what is known. */
export class Client {
  readonly #cluster: Cluster;
  readonly #closing: Scope;
  readonly #bounds: Bounds;
  readonly #writers = new Set<Writer>();
  readonly #appender: Appender;
  #isClosed = false;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
    this.#closing = new Scope(cluster.environment.clock, 'the client', {});
    this.#appender = new Appender(
      cluster,
      intakeLimits({ bytesInFlightMax: appendsBytesInFlightMax }),
    );
    this.#bounds = new Bounds(cluster, this.#closing.signal);
  }

  /** Resolves once a node has answered; rejects with UNAVAILABLE, saying why each did not. */
  async ready(options: CallOptions = {}): Promise<void> {
    const timeoutMs = options.timeoutMs ?? connectTimeoutMsDefault;
    try {
      await this.#within('connecting', { ...options, timeoutMs }, (signal) =>
        this.#cluster.ready(signal),
      );
    } catch (error) {
      if (!(error instanceof LogLogError) || error.code !== 'DEADLINE') throw error;
      const message = `no node has answered within ${timeoutMs} ms: ${this.#cluster.describeFailures()}`;
      throw new LogLogError('UNAVAILABLE', message, { cause: error });
    }
  }

  /**
   * Appends one entry, or several as one batch of which all commit or none, exactly once. For many
   * entries a writer is faster.
   */
  append(data: Bytes | readonly Bytes[], options: AppendOptions = {}): Promise<Appended> {
    return this.#appender.append('data', data, options);
  }

  /** Sets the fencing token that appends can demand; an empty one demands nothing any more. */
  async fence(token: Bytes, options: AppendOptions = {}): Promise<Omit<Appended, 'offsets'>> {
    const entry = checkToken(token);
    const { offset, end } = await this.#appender.append('fence', entry, options);
    return { offset, end };
  }

  /** A producer of its own, for many entries in order. */
  writer(options: WriterOptions = {}): Writer {
    this.#checkOpen();
    const writer = new Writer(this.#cluster, options, () => this.#writers.delete(writer));
    this.#writers.add(writer);
    return writer;
  }

  /**
   * Entries in order, each once; goes on at another node when one fails. Errors come out of the
   * iteration, those about wrong options too.
   */
  read(options: ReadOptions = {}): AsyncIterable<Entry> {
    return {
      [Symbol.asyncIterator]: () => {
        const scope = this.#scope('a read', { signal: options.signal });
        return new Reader(this.#cluster, this.#bounds, options, scope);
      },
    };
  }

  /** Whole batches as they lie on disk, verified, from the one that holds `offset` on. */
  async readPage(options: PageOptions): Promise<Page> {
    const { offset, waitMs = 0, node } = options;
    checkOffset('offset', offset);
    const limit = Math.min(checkLimit('limit', options.limit), batchBytesMax);
    if (waitMs !== 0) checkLimit('waitMs', waitMs);
    const timeoutMs = options.timeoutMs ?? callTimeoutMsDefault + waitMs;
    const request = { offset, limit, waitMs };
    return this.#within('reading a page', { ...options, timeoutMs }, (signal) =>
      readPage(this.#cluster, this.#bounds, request, routeTo(node), signal),
    );
  }

  /** `linearizable`: not before anything acknowledged before the call; otherwise one node's word. */
  async end(options: CallOptions & { readonly linearizable?: boolean } = {}): Promise<EndReply> {
    const { linearizable = true } = options;
    return this.#within('the end of the log', options, (signal) =>
      this.#bounds.end(linearizable, signal),
    );
  }

  /** A node that does not answer within timeoutMs (2 s by default) is told as unreachable. */
  async status(options: CallOptions & { readonly node?: string } = {}): Promise<ClusterStatus> {
    const timeoutMs = options.timeoutMs ?? statusTimeoutMsDefault;
    const { signal, node } = options;
    const scope = signal === undefined ? {} : { signal };
    return this.#within('status', { timeoutMs: callTimeoutMsDefault, ...scope }, (aborted) =>
      clusterStatus(this.#cluster, { timeoutMs, ...(node !== undefined && { node }) }, aborted),
    );
  }

  /** Hands leadership to the node named, or to the one that is furthest. */
  async transfer(to?: string, options: CallOptions = {}): Promise<TransferReply> {
    const timeoutMs = options.timeoutMs ?? transferTimeoutMsDefault;
    return this.#within('the transfer', { ...options, timeoutMs }, async (signal) => {
      await this.#cluster.ready(signal);
      if (to !== undefined) checkMember(this.#cluster, to);
      return ask(this.#cluster, signal, {
        what: 'the transfer',
        route: { type: 'leader' },
        attemptTimeoutMs: timeoutMs,
        finalCodes: ['TRANSFER_FAILED'],
        ask: (service, attempt) => {
          const target = to === undefined ? {} : { to };
          return service.transfer({ ...target, ...this.#cluster.identity() }, attempt);
        },
      });
    });
  }

  /**
   * Waits at most `timeoutMs` for what has been written and appended, then ends everything: calls
   * that are not done reject with CLOSED. Rejects with the failure of a writer that was left open.
   */
  async close({ timeoutMs = closeTimeoutMsDefault }: { timeoutMs?: number } = {}): Promise<void> {
    this.#isClosed = true;
    const closed = new LogLogError('CLOSED', 'the client is closed');
    const { clock } = this.#cluster.environment;
    const timer = clock.after(timeoutMs, () => this.#appender.end(closed));
    const writers = [...this.#writers].map((writer) => writer.close({ timeoutMs }));
    const [closings] = await Promise.all([
      Promise.allSettled(writers),
      this.#appender.close(closed),
    ]);
    timer.cancel();
    this.#appender.end(closed);
    this.#closing.abort(closed);
    this.#cluster.close(closed);
    for (const closing of closings) if (closing.status === 'rejected') throw closing.reason;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Runs a call that ends by its deadline, at its caller's signal, or with the client. */
  async #within<T>(
    what: string,
    { timeoutMs = callTimeoutMsDefault, signal }: CallOptions,
    run: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    this.#checkOpen();
    const scope = this.#scope(what, { timeoutMs, signal });
    try {
      return await run(scope.signal);
    } finally {
      scope.end();
    }
  }

  #scope(what: string, limits: Limits): Scope {
    return new Scope(this.#cluster.environment.clock, what, limits, this.#closing.signal);
  }

  #checkOpen(): void {
    if (this.#isClosed) throw new LogLogError('CLOSED', 'the client is closed');
  }
}
