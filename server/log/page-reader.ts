/** Reads pages from segment files; keeps a bounded number of files open, each with its index. */
import { batchEnd } from '../../proto/batch.js';
import type { Disk, DiskFile } from './disk.js';
import { findBatch } from './find-batch.js';
import type { Page } from './recent.js';
import { emptyPage } from './recent.js';
import { readSealedIndex } from './sealed-index.js';
import { positionOf } from './segment.js';
import { openSegmentFile } from './segment-files.js';
import type { SegmentIndex } from './segment-index.js';
import { readSegment, SegmentWindow } from './segment-window.js';
import { wholeBatches } from './whole-batches.js';

/** Between two starts in an index: what is read to find a batch. */
const findChunkBytes = 64 * 1024;

export interface PageReaderOptions {
  readonly disk: Disk;
  /** The segments'. */
  readonly directory: string;
  readonly segmentBytesMax: number;
  /** Files that stay open, and indexes in memory. */
  readonly indexCacheMax: number;
}

/** A segment as far as it can be read now. */
export interface PageSource {
  readonly baseOffset: number;
  /** Of the segment that is being written; a sealed one's is looked up. */
  readonly openIndex: SegmentIndex | undefined;
  /** The end of a batch: what lies behind is not durable, or in the next segment. */
  readonly endOffset: number;
}

interface Cached {
  readonly file: Promise<DiskFile>;
  /** Absent until the segment is sealed and read. */
  index: SegmentIndex | undefined;
  readers: number;
  /** No longer in the cache: whoever reads last closes the file. */
  dropped: boolean;
}

export class PageReader {
  readonly #options: PageReaderOptions;
  /** The one used last comes last. */
  readonly #cache = new Map<number, Cached>();

  constructor(options: PageReaderOptions) {
    this.#options = options;
  }

  /**
   * Whole batches from the one that holds `offset` on, none of them ending behind `below`: no more
   * than `limit` bytes if there are several. Each is verified: throws DATA_CORRUPT.
   */
  read(source: PageSource, offset: number, limit: number, below: number): Promise<Page> {
    const { baseOffset, endOffset } = source;
    return this.#use(baseOffset, async (file, cached) => {
      const index = source.openIndex ?? (await this.#sealedIndex(baseOffset, cached));
      const length = positionOf(baseOffset, endOffset);
      const window = new SegmentWindow(file, baseOffset, length, findChunkBytes);
      const first = await findBatch(window, index, offset);
      const firstEnd = batchEnd(first);
      if (firstEnd > below) return emptyPage(first.offset);
      const end = Math.min(below, endOffset, Math.max(firstEnd, first.offset + limit));
      const count = end - first.offset;
      const position = positionOf(baseOffset, first.offset);
      const bytes = await readSegment(file, baseOffset, position, count);
      return wholeBatches(bytes, baseOffset, first.offset, count);
    });
  }

  /** Forgets the segments from `baseOffset` on: they have been cut back or removed. */
  async forget(baseOffset: number): Promise<void> {
    const gone = [...this.#cache.keys()].filter((base) => base >= baseOffset);
    await Promise.all(gone.map((base) => this.drop(base)));
  }

  /** Opens the segment anew, with its index, for the next reader: it has been mended. */
  async drop(baseOffset: number): Promise<void> {
    const cached = this.#cache.get(baseOffset);
    if (cached === undefined) return;
    this.#cache.delete(baseOffset);
    cached.dropped = true;
    await closeUnread(cached);
  }

  /** Files that are being read are closed behind that. */
  close(): Promise<void> {
    return this.forget(0);
  }

  async #use<T>(
    baseOffset: number,
    action: (file: DiskFile, cached: Cached) => Promise<T>,
  ): Promise<T> {
    const cached = this.#cached(baseOffset);
    cached.readers += 1;
    try {
      const oldest = this.#cache.keys().next();
      if (this.#cache.size > this.#options.indexCacheMax && oldest.done !== true) {
        await this.drop(oldest.value);
      }
      return await action(await cached.file, cached);
    } finally {
      cached.readers -= 1;
      if (cached.dropped) await closeUnread(cached);
    }
  }

  #cached(baseOffset: number): Cached {
    const cached = this.#cache.get(baseOffset) ?? {
      file: this.#open(baseOffset),
      index: undefined,
      readers: 0,
      dropped: false,
    };
    this.#cache.delete(baseOffset);
    this.#cache.set(baseOffset, cached);
    return cached;
  }

  async #open(baseOffset: number): Promise<DiskFile> {
    const { disk, directory } = this.#options;
    try {
      return await openSegmentFile(disk, directory, baseOffset);
    } catch (error) {
      this.#cache.delete(baseOffset);
      throw error;
    }
  }

  async #sealedIndex(baseOffset: number, cached: Cached): Promise<SegmentIndex> {
    const { disk, directory, segmentBytesMax } = this.#options;
    cached.index ??= await readSealedIndex(disk, directory, baseOffset, segmentBytesMax);
    return cached.index;
  }
}

async function closeUnread(cached: Cached): Promise<void> {
  if (cached.readers > 0) return;
  const [opened] = await Promise.allSettled([cached.file]);
  if (opened.status === 'fulfilled') await opened.value.close();
}
