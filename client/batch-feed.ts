/** Verified batches from one offset on, from any node, without a gap and without a repetition. */
import type { Batch } from '../proto/batch.js';
import { batchEnd } from '../proto/batch.js';
import { LogLogError } from '../proto/errors.js';
import { Backoff, backoffMsMax } from './backoff.js';
import type { Route } from './call.js';
import { Turns } from './call.js';
import type { Cluster } from './cluster.js';
import { verifyPage } from './page.js';
import { asLogLogError } from './retry.js';
import { sleep, untilAborted } from './scope.js';
import { TailPages } from './tail-pages.js';

/** After this long without a page a node is asked about what the cluster has. */
const silenceMsMax = 5000;

export interface FeedOptions {
  /** Where to begin; may lie inside a batch. */
  readonly offset: number;
  /** Of one page. */
  readonly bytesMax: number;
  /** One node, or any. */
  readonly route: Route;
}

export class BatchFeed {
  readonly #cluster: Cluster;
  readonly #options: FeedOptions;
  readonly #signal: AbortSignal;
  readonly #recentEnd: () => Promise<number | undefined>;
  readonly #turns: Turns;
  readonly #backoff: Backoff;
  #offset: number;
  #nodeId = '';
  #pages: TailPages | undefined;

  /** `recentEnd` is the cluster's (bounds.ts), to tell an idle log from a node left behind. */
  constructor(
    cluster: Cluster,
    options: FeedOptions,
    recentEnd: () => Promise<number | undefined>,
    signal: AbortSignal,
  ) {
    this.#cluster = cluster;
    this.#options = options;
    this.#signal = signal;
    this.#recentEnd = recentEnd;
    this.#turns = new Turns(cluster, options.route);
    this.#backoff = new Backoff(cluster.environment.random, backoffMsMax);
    this.#offset = options.offset;
  }

  /** The next batches, at least one; waits until there are any. Throws what no retry can help. */
  async next(): Promise<Batch[]> {
    await this.#cluster.ready(this.#signal);
    for (;;) {
      try {
        const batches = await this.#receive();
        const last = batches.at(-1);
        if (last === undefined) continue;
        this.#offset = batchEnd(last.header);
        this.#backoff.reset();
        this.#turns.noteSuccess();
        return batches;
      } catch (error) {
        await this.#recover(asLogLogError(error));
      }
    }
  }

  close(): void {
    this.#pages?.close();
    this.#pages = undefined;
  }

  async #receive(): Promise<Batch[]> {
    this.#pages ??= this.#open();
    const page = await this.#pages.next(silenceMsMax, this.#signal);
    if (page !== 'silent') return verifyPage(page, this.#offset);
    const end = await untilAborted(this.#recentEnd(), this.#signal);
    if (end === undefined || end <= this.#offset) return [];
    const message = `node ${this.#nodeId} gives nothing at ${this.#offset}, of ${end}`;
    throw new LogLogError('UNAVAILABLE', message);
  }

  #open(): TailPages {
    this.#nodeId = this.#turns.next();
    const service = this.#cluster.service(this.#nodeId);
    if (service === undefined) {
      throw new LogLogError('UNAVAILABLE', `the address of node ${this.#nodeId} is not known`);
    }
    const request = { offset: this.#offset, limit: this.#options.bytesMax };
    const { clock } = this.#cluster.environment;
    return new TailPages(clock, service, { ...request, ...this.#cluster.identity() });
  }

  /** Leaves the node, for another if the route allows; throws if there is no hope. */
  async #recover(error: LogLogError): Promise<void> {
    if (this.#signal.aborted) throw error;
    this.#turns.noteFailure(this.#nodeId, error);
    this.close();
    this.#cluster.noteUnreachable(this.#nodeId);
    this.#cluster.refresh();
    await sleep(this.#cluster.environment.clock, this.#backoff.next(), this.#signal);
  }
}
