/** Entries in order, each once, from wherever the caller says. */
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
import { reasonOf } from './scope.js';
import type { Scope } from './scope.js';

const pageBytesDefault = 2 ** 20;

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

/**
 * The data of an entry is a view of its page: whoever keeps a small one for long copies it.
 * Ending the iteration early ends the stream.
 */
export function readEntries(
  cluster: Cluster,
  bounds: Bounds,
  options: ReadOptions,
  scope: Scope,
): AsyncIterableIterator<Entry> {
  const entries = generate(cluster, bounds, options, scope);
  const stop = () => scope.abort(new LogLogError('CLOSED', 'the reader has stopped'));
  let isStopped = false;
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      try {
        return await entries.next();
      } catch (error) {
        if (isStopped) return { done: true, value: undefined };
        throw error;
      }
    },
    // A generator alone would wait for the entry that its pending next() waits for.
    async return() {
      isStopped = true;
      stop();
      await entries.return();
      return { done: true, value: undefined };
    },
  };
}

async function* generate(
  cluster: Cluster,
  bounds: Bounds,
  options: ReadOptions,
  scope: Scope,
): AsyncGenerator<Entry, void, undefined> {
  const { signal } = scope;
  let feed: BatchFeed | undefined;
  try {
    const { limit = Infinity, pageBytes = pageBytesDefault } = options;
    if (limit !== Infinity) checkLimit('limit', limit);
    const bytesMax = Math.min(checkLimit('pageBytes', pageBytes), batchBytesMax);
    const { from, to } = await rangeOf(bounds, options, signal);
    const route = routeTo(options.node);
    const recentEnd = () => bounds.recentEnd();
    feed = new BatchFeed(cluster, { offset: from, bytesMax, route }, recentEnd, signal);
    let count = 0;
    let next = from;
    while (next < to && count < limit) {
      for (const batch of await feed.next()) {
        next = batchEnd(batch.header);
        if (batch.header.kind !== 'data') continue;
        for (const entry of entriesOf(batch, from)) {
          if (signal.aborted) throw reasonOf(signal);
          if (entry.offset >= to || count === limit) return;
          count += 1;
          yield entry;
        }
      }
    }
  } finally {
    feed?.close();
    scope.end();
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
