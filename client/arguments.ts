/** Checks of what callers hand in, before anything is sent. */
import {
  batchEntriesMax,
  bodyBytesMax,
  entryBytesMax,
  entryLengthBytes,
  tokenBytesMax,
} from '../proto/limits.js';

import { LogLogError } from '../proto/errors.js';

export type Bytes = Uint8Array | string;

/** One entry or several. */
export function toEntries(data: Bytes | readonly Bytes[]): Uint8Array[] {
  if (typeof data === 'string' || data instanceof Uint8Array) return [toBytes(data)];
  if (Array.isArray(data)) return data.map(toBytes);
  throw new LogLogError('INVALID_ARGUMENT', 'data is neither bytes nor a string nor an array');
}

/** The bytes of an entry or token; strings are UTF-8. */
export function toBytes(data: Bytes): Uint8Array {
  if (typeof data === 'string') return Buffer.from(data);
  if (data instanceof Uint8Array) return data;
  throw new LogLogError('INVALID_ARGUMENT', 'data is neither a Uint8Array nor a string');
}

export function checkOffset(name: string, offset: number): number {
  if (Number.isSafeInteger(offset) && offset >= 0) return offset;
  throw new LogLogError('OFFSET_INVALID', `${name} is ${offset}, not an offset`);
}

export function checkLimit(name: string, limit: number): number {
  if (Number.isSafeInteger(limit) && limit > 0) return limit;
  throw new LogLogError('LIMIT_INVALID', `${name} is ${limit}, not a positive integer`);
}

export function checkToken(token: Bytes): Buffer {
  const bytes = toBytes(token);
  if (bytes.length <= tokenBytesMax) return Buffer.from(bytes);
  throw new LogLogError(
    'INVALID_ARGUMENT',
    `a fencing token of ${bytes.length} bytes; at most ${tokenBytesMax} are allowed`,
    { limit: tokenBytesMax },
  );
}

/** Returns the bytes that the entries take in a batch body. */
export function checkEntries(entries: readonly Uint8Array[]): number {
  let bytes = 0;
  for (const { length } of entries) {
    if (length > entryBytesMax) {
      const message = `an entry of ${length} bytes; at most ${entryBytesMax} are allowed`;
      throw new LogLogError('ENTRY_TOO_LARGE', message, { limit: entryBytesMax });
    }
    bytes += entryLengthBytes + length;
  }
  if (entries.length > batchEntriesMax) {
    const message = `${entries.length} entries in one append; at most ${batchEntriesMax} are allowed`;
    throw new LogLogError('BATCH_TOO_LARGE', message, { limit: batchEntriesMax });
  }
  if (bytes > bodyBytesMax) {
    const message = `${bytes} framed bytes in one append; at most ${bodyBytesMax} are allowed`;
    throw new LogLogError('BATCH_TOO_LARGE', message, { limit: bodyBytesMax });
  }
  return bytes;
}

/** `host:port`, several of them with commas between or as an array. */
export function parseAddresses(cluster: string | readonly string[]): string[] {
  const parts = typeof cluster === 'string' ? cluster.split(',') : cluster;
  const addresses = [...new Set(parts.map((part) => part.trim()).filter((part) => part !== ''))];
  for (const address of addresses) {
    const port = Number(/^.+:(\d{1,5})$/.exec(address)?.[1] ?? 0);
    if (port >= 1 && port <= 65535) continue;
    throw new LogLogError('INVALID_ARGUMENT', `"${address}" is not an address like host:7600`);
  }
  if (addresses.length > 0) return addresses;
  throw new LogLogError('INVALID_ARGUMENT', 'no address of any node of the cluster is given');
}
