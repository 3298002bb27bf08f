import type { Findings } from './findings.js';
import type { FinalBatch, Fingerprint, FoundEntry } from './history.js';

/** Finds what is wrong with the order of the log itself; nothing else can be judged by it then. */
export function checkOrderOfLog(batches: readonly FinalBatch[], findings: Findings): void {
  let logEnd = 0;
  for (const { offset, end, entries } of batches) {
    if (entries.length === 0) findings.add('phantom', `an empty batch at ${offset}`);
    if (!(offset >= logEnd)) {
      findings.add('overlap', `a batch at ${offset}, behind one that ends at ${logEnd}`);
    }
    let free = offset;
    for (const entry of entries) {
      if (!(entry.offset >= free && entry.offset < end)) {
        const range = `from ${free} to ${end}`;
        findings.add('overlap', `an entry at ${entry.offset}, where only ${range} is free`);
      }
      free = entry.offset + 1;
    }
    logEnd = end;
  }
}

/** The log as it was in the end, with indexes. Its entries and batches are in ascending order. */
export class FinalLog {
  readonly batches: readonly FinalBatch[];
  /** Of all batches, in order. */
  readonly entries: readonly FoundEntry[];
  readonly #batchOfEntry: Int32Array;
  /** The first entry with these bytes. */
  readonly #entryOf = new Map<Fingerprint, number>();

  constructor(batches: readonly FinalBatch[]) {
    const entries: FoundEntry[] = [];
    const count = batches.reduce((sum, batch) => sum + batch.entries.length, 0);
    this.#batchOfEntry = new Int32Array(count);
    for (const [index, batch] of batches.entries()) {
      for (const entry of batch.entries) {
        this.#batchOfEntry[entries.length] = index;
        if (!this.#entryOf.has(entry.fingerprint)) {
          this.#entryOf.set(entry.fingerprint, entries.length);
        }
        entries.push(entry);
      }
    }
    this.batches = batches;
    this.entries = entries;
  }

  /** Index in `entries` of the first entry with these bytes; undefined if there is none. */
  find(fingerprint: Fingerprint): number | undefined {
    return this.#entryOf.get(fingerprint);
  }

  /** Index in `batches` of the batch that holds an entry, given by its index in `entries`. */
  batchOf(entry: number): number {
    return this.#batchOfEntry[entry] ?? -1;
  }

  /** Where the data batch before this one ends; 0 before the first. */
  dataEndBefore(batch: number): number {
    return this.batches[batch - 1]?.end ?? 0;
  }

  /** How many batches had been committed when the last one ended there; undefined if none ever. */
  versionAt(dataEnd: number): number | undefined {
    const version = firstIndex(this.batches.length + 1, (n) => this.dataEndBefore(n) >= dataEnd);
    return this.dataEndBefore(version) === dataEnd ? version : undefined;
  }

  /** How many batches lie below an offset, wholly or in part. */
  versionBelow(offset: number): number {
    return firstIndex(this.batches.length, (n) => (this.batches[n]?.offset ?? 0) >= offset);
  }

  /** Index of the first entry at or behind an offset. */
  entryAtOrBehind(offset: number): number {
    return firstIndex(this.entries.length, (n) => (this.entries[n]?.offset ?? 0) >= offset);
  }
}

/** The first index below `count` from which on something holds; `count` if it never does. */
function firstIndex(count: number, holds: (index: number) => boolean): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (holds(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}
