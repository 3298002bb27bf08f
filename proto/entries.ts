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
export function* entriesOf(batch: Batch, from = 0): Generator<Entry> {
  const { body, header } = batch;
  const base = header.offset + headerBytes;
  const time = new Date(header.timeMs);
  let at = 0;
  while (at < body.length) {
    const dataAt = at + entryLengthBytes;
    const next = dataAt + body.readUInt32LE(at);
    if (base + at >= from) yield { offset: base + at, time, data: body.subarray(dataAt, next) };
    at = next;
  }
}
