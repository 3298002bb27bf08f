import type { RandomSource } from '../../proto/clock.js';
import { upTo } from './choice.js';
import type { FinalBatch, Fingerprint, FoundEntry } from './history.js';

const headerBytes = 80;
const entryBytesMax = 20;
const entriesMax = 3;
/** Bytes of batches that hold no data, between two that do. */
const gapBytesMax = 100;
const pageBatchesMax = 4;

interface Batch {
  readonly offset: number;
  end: number;
  readonly entries: FoundEntry[];
}

interface Page {
  readonly from: number;
  readonly next: number;
  readonly entries: readonly FoundEntry[];
}

/** A log that cannot go wrong: what is appended is there at once and stays. */
export class AtomicLog {
  readonly #random: RandomSource;
  readonly #batches: Batch[] = [];
  #entryCount = 0;
  /** Where the next batch will begin. */
  #next = 0;
  /** The last batch takes what is appended with the same mark. */
  #openMark: string | undefined;
  /** Of each reader, where its next page begins, and how many batches lie before. */
  readonly #readers = new Map<string, { readonly offset: number; readonly version: number }>();

  constructor(random: RandomSource) {
    this.#random = random;
  }

  get batches(): readonly FinalBatch[] {
    return this.#batches;
  }

  get dataEnd(): number {
    return this.#endOf(this.#batches.length);
  }

  /** An end as a node had it that lags behind. */
  olderEnd(): number {
    return this.#endOf(upTo(this.#batches.length, this.#random));
  }

  /** Fingerprints that nobody has had before. */
  newEntries(): Fingerprint[] {
    const count = 1 + upTo(entriesMax - 1, this.#random);
    this.#entryCount += count;
    return Array.from({ length: count }, (_, n) => `e${this.#entryCount - n}`);
  }

  /** Shares the last batch with what was appended under the same mark just before. */
  append(
    entries: readonly Fingerprint[],
    mark: string | undefined,
  ): { readonly batch: FinalBatch; readonly offsets: readonly number[] } {
    const last = this.#batches.at(-1);
    const isShared = mark !== undefined && mark === this.#openMark;
    const batch = isShared && last !== undefined ? last : this.#begin();
    this.#openMark = mark;
    const offsets = entries.map((fingerprint) => {
      const offset = batch.end;
      batch.entries.push({ offset, fingerprint });
      batch.end += 4 + upTo(entryBytesMax, this.#random);
      return offset;
    });
    this.#next = batch.end + Math.max(0, upTo(2 * gapBytesMax, this.#random) - gapBytesMax);
    return { batch, offsets };
  }

  /** Whoever looks at the log finds whole batches. */
  seal(): void {
    this.#openMark = undefined;
  }

  somePage(): Page {
    const from = upTo(this.#batches.length, this.#random);
    const to = Math.min(this.#batches.length, from + upTo(pageBatchesMax, this.#random));
    const inside = this.#batches[from]?.entries.at(-1)?.offset;
    const first = this.#endOf(from);
    const isInside = inside !== undefined && to > from && this.#random.fraction() < 0.5;
    return this.#page(isInside ? inside : first, from, to);
  }

  nextPage(reader: string): Page {
    const { offset, version } = this.#readers.get(reader) ?? { offset: 0, version: 0 };
    const to = Math.min(this.#batches.length, version + upTo(pageBatchesMax, this.#random));
    const page = this.#page(offset, version, to);
    this.#readers.set(reader, { offset: page.next, version: to });
    return page;
  }

  #begin(): Batch {
    const batch = { offset: this.#next, end: this.#next + headerBytes, entries: [] };
    this.#batches.push(batch);
    return batch;
  }

  /** Of the batches with these indexes, `to` not included; sometimes as far as the next one. */
  #page(offset: number, from: number, to: number): Page {
    const entries = this.#batches.slice(from, to).flatMap((batch) => batch.entries);
    const after = this.#batches[to]?.offset ?? this.#next;
    const end = Math.max(offset, this.#endOf(to));
    const next = this.#random.fraction() < 0.3 ? Math.max(end, after) : end;
    return { from: offset, next, entries: entries.filter((entry) => entry.offset >= offset) };
  }

  #endOf(version: number): number {
    return this.#batches[version - 1]?.end ?? 0;
  }
}
