/** Entries in order, each once, from wherever the caller says. */
import type { Batch } from '../proto/batch.js';
import { batchEnd } from '../proto/batch.js';
import type { Entry } from '../proto/entries.js';
import { entriesOf } from '../proto/entries.js';
import { LogLogError } from '../proto/errors.js';
import { batchBytesMax } from '../proto/limits.js';
import { checkLimit, checkOffset } from './arguments.js';
import type { Bounds } from './bounds.js';
import { BatchFeed } from './batch-feed.js';
import { routeTo } from './call.js';
import type { Cluster } from './cluster.js';
import type { Scope } from './scope.js';

export const pageBytesDefault = 2 ** 20;

export interface ReadOptions {
  /** The first entry is the one at or behind this offset; 0 by default. */
  readonly from?: number | 'start' | 'end';
  /** Only entries whose address is below. */
  readonly to?: number;
  /** Only this many entries. */
  readonly limit?: number;
  /** Go on with what is appended later, for ever; otherwise up to the end as of now. */
  readonly follow?: boolean;
  /** The id of the one node to read from; otherwise any, and another when that one fails. */
  readonly node?: string;
  /** Bytes to ask a node for at a time; 1 MiB by default. */
  readonly pageBytes?: number;
  readonly signal?: AbortSignal;
}

interface Range {
  readonly from: number;
  /** Entries from here on are not wanted; Infinity where there is no end. */
  readonly to: number;
}

interface Wanted extends Range {
  /** Only so many more. */
  count: number;
}

/**
 * Iterates over entries. The data of an entry is a view of its page: whoever keeps a small one for
 * long copies it. Leaving the iteration ends the stream. No async generator of entries, since an
 * entry that is there already costs one promise like this: a quarter faster with 1 KiB each.
 */
export class Reader implements AsyncIterableIterator<Entry, undefined> {
  readonly #scope: Scope;
  readonly #pages: AsyncGenerator<Iterator<Entry>, void>;
  /** The rest of the page that is being read. */
  #page: Iterator<Entry> = [].values();
  /** Calls of `next` that wait for a page, each for the one before it. */
  #waiting = 0;
  #lastWaiting: Promise<unknown> = Promise.resolve();
  #isStopped = false;

  constructor(cluster: Cluster, bounds: Bounds, options: ReadOptions, scope: Scope) {
    this.#scope = scope;
    this.#pages = pagesOf(cluster, bounds, options, scope);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Entry, undefined>> {
    if (this.#waiting === 0 && this.#scope.reason === undefined) {
      const result = this.#page.next();
      if (result.done !== true) return Promise.resolve(result);
    }
    this.#waiting += 1;
    const later = this.#lastWaiting.then(() => this.#nextOfPages());
    this.#lastWaiting = later.catch(() => {});
    return later;
  }

  // The generator alone would wait for the page that a pending next() waits for.
  async return(): Promise<IteratorResult<Entry, undefined>> {
    this.#isStopped = true;
    this.#scope.abort(new LogLogError('CLOSED', 'the reader has stopped'));
    await this.#pages.return();
    return { done: true, value: undefined };
  }

  async #nextOfPages(): Promise<IteratorResult<Entry, undefined>> {
    try {
      for (;;) {
        if (this.#scope.reason === undefined) {
          const result = this.#page.next();
          if (result.done !== true) return result;
        }
        const page = await this.#pages.next();
        if (page.done === true) return { done: true, value: undefined };
        this.#page = page.value;
      }
    } catch (error) {
      if (this.#isStopped) return { done: true, value: undefined };
      throw error;
    } finally {
      this.#waiting -= 1;
    }
  }
}

/** The next page is asked for when all of the one before has been taken, or the scope is aborted. */
async function* pagesOf(
  cluster: Cluster,
  bounds: Bounds,
  options: ReadOptions,
  scope: Scope,
): AsyncGenerator<Iterator<Entry>, void, undefined> {
  const { signal } = scope;
  let feed: BatchFeed | undefined;
  try {
    const { limit = Infinity, pageBytes = pageBytesDefault } = options;
    if (limit !== Infinity) checkLimit('limit', limit);
    const bytesMax = Math.min(checkLimit('pageBytes', pageBytes), batchBytesMax);
    const wanted: Wanted = { ...(await rangeOf(bounds, options, signal)), count: limit };
    let next = wanted.from;
    const route = routeTo(options.node);
    const recentEnd = () => bounds.recentEnd();
    feed = new BatchFeed(cluster, { offset: next, bytesMax, route }, recentEnd, signal);
    while (next < wanted.to && wanted.count > 0) {
      const batches = await feed.next();
      const last = batches.at(-1);
      if (last !== undefined) next = batchEnd(last.header);
      yield new WantedEntries(batches, wanted);
      if (scope.reason !== undefined) throw scope.reason;
    }
  } finally {
    feed?.close();
    scope.end();
  }
}

/** Those entries of a page that are wanted. */
class WantedEntries implements Iterator<Entry, undefined> {
  readonly #batches: Iterator<Batch>;
  readonly #wanted: Wanted;
  #entries: Iterator<Entry, undefined> = [].values();

  constructor(batches: readonly Batch[], wanted: Wanted) {
    this.#batches = batches.filter(({ header }) => header.kind === 'data').values();
    this.#wanted = wanted;
  }

  next(): IteratorResult<Entry, undefined> {
    const wanted = this.#wanted;
    for (;;) {
      const result = this.#entries.next();
      if (result.done === true) {
        const batch = this.#batches.next();
        if (batch.done === true) return result;
        this.#entries = entriesOf(batch.value, wanted.from);
      } else if (result.value.offset < wanted.to && wanted.count > 0) {
        wanted.count -= 1;
        return result;
      } else {
        return { done: true, value: undefined };
      }
    }
  }
}

async function rangeOf(bounds: Bounds, options: ReadOptions, signal: AbortSignal): Promise<Range> {
  const { from = 0, to = Infinity, follow = false } = options;
  if (to !== Infinity) checkOffset('to', to);
  if (typeof from === 'number') checkOffset('from', from);
  if (follow && from !== 'end') {
    return { from: from === 'start' ? await bounds.start(signal) : from, to };
  }
  const { end } = await bounds.end(true, signal);
  if (from === 'end') return { from: end, to: follow ? to : end };
  const first = from === 'start' ? await bounds.start(signal) : from;
  if (first > end) {
    throw new LogLogError('OFFSET_BEYOND_END', `${first} is beyond the end, ${end}`, { end });
  }
  return { from: first, to: Math.min(to, end) };
}
