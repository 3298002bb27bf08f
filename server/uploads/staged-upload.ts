/** One body in the staging pool, and how it is told from others. */
import type { BatchHeader, ProducerId } from '../../proto/batch.js';

/** What the pool's own records of a body cost, roughly; all its counts of bytes include it. */
export const stagedOverheadBytes = 512;

export interface StagedUpload {
  readonly producer: ProducerId;
  readonly kind: 'data' | 'fence';
  readonly epoch: number;
  readonly sequence: number;
  readonly entryCount: number;
  readonly bodyChecksum: number;
  readonly body: Buffer;
}

export function costOf(bodyBytes: number): number {
  return bodyBytes + stagedOverheadBytes;
}

export function keyOf(batch: { producer: ProducerId; epoch: number; sequence: number }): string {
  return `${batch.producer} ${batch.epoch} ${batch.sequence}`;
}

export function fits(upload: StagedUpload, header: BatchHeader): boolean {
  return (
    upload.kind === header.kind &&
    upload.body.length === header.bodyBytes &&
    upload.bodyChecksum === header.bodyChecksum &&
    upload.entryCount === header.entryCount
  );
}

export function isSame(one: StagedUpload, other: StagedUpload): boolean {
  return (
    one.kind === other.kind &&
    one.entryCount === other.entryCount &&
    one.bodyChecksum === other.bodyChecksum &&
    one.body.equals(other.body)
  );
}

/** A body is often a view of the message that it came in, and would keep all of it in memory. */
export function unpinned(body: Buffer): Buffer {
  if (body.buffer.byteLength <= 2 * body.length) return body;
  const copy = Buffer.allocUnsafeSlow(body.length);
  body.copy(copy);
  return copy;
}
