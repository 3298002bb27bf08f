/** Entries that tell who appended them, and whether every byte of them is as it was. */
import type { Batch } from '../../../proto/batch.js';
import { batchEnd, decodeBatch } from '../../../proto/batch.js';
import { entriesOf } from '../../../proto/entries.js';
import type { FinalBatch, Fingerprint, FoundEntry } from '../../checker/history.js';

const separator = '|';

/** Only the name over and over again, at least once. */
export function makeEntry(name: string, bytes: number): Buffer {
  const pattern = `${name}${separator}`;
  return Buffer.alloc(Math.max(bytes, pattern.length), pattern, 'latin1');
}

/** The name and the length; of bytes that nobody can have appended, something else. */
export function fingerprintOf(bytes: Buffer): Fingerprint {
  const nameEnd = bytes.indexOf(separator);
  const name = bytes.toString('latin1', 0, Math.max(0, nameEnd));
  const isWhole = nameEnd > 0 && makeEntry(name, bytes.length).equals(bytes);
  return isWhole ? `${name} ${bytes.length}` : `garbled ${bytes.toString('hex', 0, 64)}`;
}

export function entriesIn(batch: Batch): FoundEntry[] {
  return [...entriesOf(batch)].map(({ offset, data }) => ({
    offset,
    fingerprint: fingerprintOf(data),
  }));
}

/** The batches of a page or of a whole log, which has to be all right. */
export function batchesIn(bytes: Buffer): Batch[] {
  const batches: Batch[] = [];
  for (let at = 0; at < bytes.length;) {
    const decoded = decodeBatch(bytes, at);
    if (!decoded.ok) throw new Error(`${at} bytes into what was read: ${decoded.reason}`);
    batches.push(decoded.batch);
    at += batchEnd(decoded.batch.header) - decoded.batch.header.offset;
  }
  return batches;
}

export function dataBatches(batches: readonly Batch[]): FinalBatch[] {
  return batches
    .filter(({ header }) => header.kind === 'data')
    .map((batch) => ({
      offset: batch.header.offset,
      end: batchEnd(batch.header),
      entries: entriesIn(batch),
    }));
}
