/** Verifies batches that were read from a segment. */
import { batchEnd, decodeBatch, decodeHeader } from '../../proto/batch.js';
import { headerBytes } from '../../proto/limits.js';
import type { Page } from './recent.js';
import { corrupt } from './segment.js';

/**
 * As many whole batches as `bytes` hold, which were read at `offset`, of `count` bytes that were
 * asked for. Throws DATA_CORRUPT if something else stands there.
 */
export function wholeBatches(
  bytes: Buffer,
  baseOffset: number,
  offset: number,
  count: number,
): Page {
  let at = 0;
  while (at < count) {
    const decoded = decodeBatch(bytes, at);
    if (decoded.ok) {
      const { header } = decoded.batch;
      if (header.offset !== offset + at) {
        const reason = `the batch of offset ${header.offset} stands here`;
        throw corrupt(baseOffset, offset + at, reason);
      }
      at += batchEnd(header) - header.offset;
    } else if (at > 0 && isCutShort(bytes, at, count)) {
      break;
    } else {
      throw corrupt(baseOffset, offset + at, decoded.reason);
    }
  }
  return { offset, next: offset + at, bytes: bytes.subarray(0, at) };
}

/** Whether the page, rather than the file, ends within the batch at `at`. */
function isCutShort(bytes: Buffer, at: number, count: number): boolean {
  if (bytes.length < count) return false;
  const header = decodeHeader(bytes, at);
  return header.ok ? at + headerBytes + header.header.bodyBytes > count : at + headerBytes > count;
}
