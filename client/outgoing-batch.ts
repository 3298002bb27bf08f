import { bodyChecksum } from '../proto/batch.js';
import type { LogLogError, Outcome } from '../proto/errors.js';
import { batchEntriesMax, entryLengthBytes, headerBytes } from '../proto/limits.js';
import type { Acknowledgement, UploadFrame } from '../proto/service.js';
import type { Submission } from './submission.js';

const bodyBytesFirst = 4096;

interface Part {
  readonly submission: Submission;
  /** Where its first entry's length lies in the body. */
  at: number;
}

/** A batch that is being filled. What is in it has been copied, once, into the body. */
export class OutgoingBatch {
  readonly #bytesTarget: number;
  readonly #parts: Part[] = [];
  #body = Buffer.alloc(0);
  #bytes = 0;
  #entryCount = 0;

  constructor(bytesTarget: number) {
    this.#bytesTarget = bytesTarget;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get isEmpty(): boolean {
    return this.#parts.length === 0;
  }

  /** Nothing more fits, or may join. */
  get isFull(): boolean {
    return this.#bytes >= this.#bytesTarget || (this.#parts[0]?.submission.isAlone ?? false);
  }

  fits(submission: Submission): boolean {
    if (this.isEmpty) return true;
    if (this.isFull || submission.isAlone) return false;
    if (this.#entryCount + submission.entryCount > batchEntriesMax) return false;
    return this.#bytes + submission.bytes <= this.#bytesTarget;
  }

  add(submission: Submission): void {
    this.#grow(this.#bytes + submission.bytes);
    this.#parts.push({ submission, at: this.#bytes });
    this.#entryCount += submission.entryCount;
    for (const entry of submission.takeEntries()) {
      this.#body.writeUInt32LE(entry.length, this.#bytes);
      this.#body.set(entry, this.#bytes + entryLengthBytes);
      this.#bytes += entryLengthBytes + entry.length;
    }
  }

  /** Takes out what its caller has given up, while the batch has not left. */
  remove(submission: Submission): void {
    const index = this.#parts.findIndex((part) => part.submission === submission);
    const removed = this.#parts[index];
    if (removed === undefined) return;
    this.#parts.splice(index, 1);
    this.#body.copyWithin(removed.at, removed.at + submission.bytes, this.#bytes);
    for (const part of this.#parts.slice(index)) part.at -= submission.bytes;
    this.#bytes -= submission.bytes;
    this.#entryCount -= submission.entryCount;
  }

  /** The frame that uploads this batch, from now on as it is. */
  seal(epoch: number, sequence: number): UploadFrame {
    const terms = this.#parts[0]?.submission.terms;
    const body = this.#body.subarray(0, this.#bytes);
    return {
      kind: terms?.kind ?? 'data',
      epoch,
      sequence,
      entryCount: this.#entryCount,
      bodyChecksum: bodyChecksum(body),
      body,
    };
  }

  /** What the leader is to compare when it orders the batch. */
  conditions(): { expect?: number; token?: Buffer } {
    const { expect, token } = this.#parts[0]?.submission.terms ?? {};
    return { ...(expect !== undefined && { expect }), ...(token !== undefined && { token }) };
  }

  noteSent(): void {
    for (const { submission } of this.#parts) submission.noteSent();
  }

  /** Why it has to wait. */
  noteTrouble(error: LogLogError): void {
    for (const { submission } of this.#parts) submission.noteTrouble(error);
  }

  resolve({ offset, end }: Acknowledgement): void {
    for (const { submission, at } of this.#parts) {
      submission.resolve(offset + headerBytes + at, end);
    }
  }

  reject(error: LogLogError, outcome: Outcome): void {
    for (const { submission } of this.#parts) submission.reject(error, outcome);
  }

  #grow(bytes: number): void {
    if (bytes <= this.#body.length) return;
    const doubled = Math.min(Math.max(bodyBytesFirst, 2 * this.#body.length), this.#bytesTarget);
    const body = Buffer.allocUnsafe(this.isEmpty ? bytes : Math.max(bytes, doubled));
    this.#body.copy(body, 0, 0, this.#bytes);
    this.#body = body;
  }
}
