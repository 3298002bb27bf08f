import { bodyChecksum } from '../proto/checksum.js';
import type { Outcome } from '../proto/errors.js';
import { LogLogError, withOutcome } from '../proto/errors.js';
import { batchEntriesMax, entryLengthBytes } from '../proto/limits.js';
import type { Acknowledgement, UploadFrame } from '../proto/service.js';
import type { Deferred } from './deferred.js';
import { deferred } from './deferred.js';
import type { Carrier, Stage, Submission, Terms } from './submission.js';

const bodyBytesFirst = 4096;
const nothing = Buffer.alloc(0);

/** A batch that is being filled. What is in it has been copied, once, into the body. */
export class OutgoingBatch implements Carrier {
  readonly #bytesTarget: number;
  readonly #bytesExpected: number;
  readonly #onFailed: (error: LogLogError) => void;
  /** Those that are told what becomes of the batch; of the others it keeps nothing but their bytes. */
  readonly #attached = new Set<Submission>();
  /** Of the first submission. */
  #terms: Terms | undefined;
  #isAlone = false;
  #submissionCount = 0;
  #hasRemovable = false;
  #body = nothing;
  #bytes = 0;
  #entryCount = 0;
  #isSent = false;
  #trouble: LogLogError | undefined;
  #result: Acknowledgement | LogLogError | undefined;
  #ended: Deferred<void> | undefined;

  /** `bytesExpected`: memory for so many is taken at once. `onFailed`: nothing becomes of it. */
  constructor(bytesTarget: number, bytesExpected: number, onFailed: (error: LogLogError) => void) {
    this.#bytesTarget = bytesTarget;
    this.#bytesExpected = bytesExpected;
    this.#onFailed = onFailed;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get isEmpty(): boolean {
    return this.#submissionCount === 0;
  }

  get stage(): Stage {
    if (this.#result !== undefined) return 'settled';
    return this.#isSent ? 'sent' : 'collected';
  }

  get trouble(): LogLogError | undefined {
    return this.#trouble;
  }

  get acknowledgement(): Acknowledgement | undefined {
    return this.#result instanceof LogLogError ? undefined : this.#result;
  }

  get failure(): LogLogError | undefined {
    return this.#result instanceof LogLogError ? this.#result : undefined;
  }

  /** Nothing more fits, or may join. */
  get isFull(): boolean {
    return this.#bytes >= this.#bytesTarget || this.#isAlone;
  }

  fits(submission: Submission): boolean {
    if (this.isEmpty) return true;
    if (this.isFull || submission.isAlone) return false;
    if (this.#entryCount + submission.entryCount > batchEntriesMax) return false;
    return this.#bytes + submission.bytes <= this.#bytesTarget;
  }

  add(submission: Submission): void {
    this.#grow(this.#bytes + submission.bytes);
    if (this.isEmpty) {
      this.#terms = submission.terms;
      this.#isAlone = submission.isAlone;
    }
    this.#submissionCount += 1;
    this.#entryCount += submission.entryCount;
    this.#hasRemovable ||= submission.isRemovable;
    // Removing one moves those behind it.
    if (this.#hasRemovable || submission.isAwaited) this.#attached.add(submission);
    const body = this.#body;
    let at = this.#bytes;
    for (const entry of submission.join(this, at)) {
      body.writeUInt32LE(entry.length, at);
      body.set(entry, at + entryLengthBytes);
      at += entryLengthBytes + entry.length;
    }
    this.#bytes = at;
  }

  attach(submission: Submission): void {
    if (this.#result === undefined) this.#attached.add(submission);
  }

  /** Takes out what its caller has given up, while the batch has not left. */
  remove(submission: Submission): void {
    if (!this.#attached.delete(submission)) return;
    const { at, bytes } = submission;
    this.#body.copyWithin(at, at + bytes, this.#bytes);
    for (const other of this.#attached) if (other.at > at) other.at -= bytes;
    this.#bytes -= bytes;
    this.#entryCount -= submission.entryCount;
    this.#submissionCount -= 1;
  }

  /** The frame that uploads this batch, from now on as it is. */
  seal(epoch: number, sequence: number): UploadFrame {
    const body = this.#body.subarray(0, this.#bytes);
    return {
      kind: this.#terms?.kind ?? 'data',
      epoch,
      sequence,
      entryCount: this.#entryCount,
      bodyChecksum: bodyChecksum(body),
      body,
    };
  }

  /** What the leader is to compare when it orders the batch. */
  conditions(): { expect?: number; token?: Buffer } {
    const { expect, token } = this.#terms ?? {};
    return { ...(expect !== undefined && { expect }), ...(token !== undefined && { token }) };
  }

  noteSent(): void {
    this.#isSent = true;
  }

  /** Why it has to wait. */
  noteTrouble(error: LogLogError): void {
    this.#trouble = error;
  }

  resolve(acknowledgement: Acknowledgement): void {
    this.#end(acknowledgement);
  }

  reject(error: LogLogError, outcome: Outcome): void {
    const failure = withOutcome(error, outcome);
    this.#onFailed(failure);
    this.#end(failure);
  }

  /** Resolves when everything in it has been answered or given up. */
  async settled(): Promise<void> {
    if (this.#result !== undefined) return;
    if (this.#submissionCount > this.#attached.size) {
      this.#ended ??= deferred();
      await this.#ended.promise;
    } else {
      await Promise.allSettled([...this.#attached].map(({ durable }) => durable));
    }
  }

  #end(result: Acknowledgement | LogLogError): void {
    this.#result = result;
    // Tickets keep the batch.
    this.#body = nothing;
    for (const submission of this.#attached) submission.tell();
    this.#attached.clear();
    this.#ended?.resolve();
  }

  #grow(bytes: number): void {
    if (bytes <= this.#body.length) return;
    const doubled = Math.min(Math.max(bodyBytesFirst, 2 * this.#body.length), this.#bytesTarget);
    const body = Buffer.allocUnsafe(Math.max(bytes, this.isEmpty ? this.#bytesExpected : doubled));
    this.#body.copy(body, 0, 0, this.#bytes);
    this.#body = body;
  }
}
