/** The inside of a batch body: each entry is a length (32 bits, little-endian) and its bytes. */
import type { Bad, Batch } from './batch.js';
import { bad } from './batch.js';
import { batchEntriesMax, entryBytesMax, entryLengthBytes, headerBytes } from './limits.js';

/** Frames entries into one body. The caller keeps within entryBytesMax and bodyBytesMax. */
export function encodeEntries(entries: readonly Uint8Array[]): Buffer {
  let length = 0;
  for (const entry of entries) length += entryLengthBytes + entry.length;
  const body = Buffer.allocUnsafe(length);
  let at = 0;
  for (const entry of entries) {
    if (entry.length > entryBytesMax) throw new RangeError(`an entry of ${entry.length} bytes`);
    body.writeUInt32LE(entry.length, at);
    body.set(entry, at + entryLengthBytes);
    at += entryLengthBytes + entry.length;
  }
  return body;
}

export type CheckedEntries = { readonly ok: true; readonly count: number } | Bad;

/** Walks a body's framing without copying; ok only if the entries fill it exactly. */
export function checkEntries(body: Buffer): CheckedEntries {
  let at = 0;
  let count = 0;
  while (at < body.length) {
    if (at + entryLengthBytes > body.length)
      return bad(`the length of entry ${count} is cut short`);
    const length = body.readUInt32LE(at);
    if (length > entryBytesMax) return bad(`entry ${count} is longer than an entry may be`);
    at += entryLengthBytes + length;
    if (at > body.length) return bad(`entry ${count} reaches beyond the body`);
    count += 1;
    if (count > batchEntriesMax) return bad('there are more entries than a batch may hold');
  }
  return { ok: true, count };
}

/** One entry as a reader sees it. `data` is a view of the page it came in. */
export interface Entry {
  readonly offset: number;
  readonly time: Date;
  readonly data: Buffer;
}

/** The entries of a verified data batch, from the first whose address is at least `from`. */
export function entriesOf(batch: Batch, from = 0): IterableIterator<Entry, undefined> {
  return new Entries(batch, from);
}

/** No generator, which would be slower: docs/BENCHMARKS.md. */
class Entries implements IterableIterator<Entry, undefined> {
  readonly #body: Buffer;
  readonly #base: number;
  readonly #time: Date;
  readonly #from: number;
  #at = 0;

  constructor({ body, header }: Batch, from: number) {
    this.#body = body;
    this.#base = header.offset + headerBytes;
    this.#time = new Date(header.timeMs);
    this.#from = from;
  }

  [Symbol.iterator](): this {
    return this;
  }

  next(): IteratorResult<Entry, undefined> {
    const body = this.#body;
    while (this.#at < body.length) {
      const offset = this.#base + this.#at;
      const dataAt = this.#at + entryLengthBytes;
      this.#at = dataAt + body.readUInt32LE(this.#at);
      if (offset < this.#from) continue;
      const data = body.subarray(dataAt, this.#at);
      return { done: false, value: { offset, time: this.#time, data } };
    }
    return { done: true, value: undefined };
  }
}
