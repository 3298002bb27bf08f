/** Where entries wait for room and become batches, until the producer has use for the next one. */
import { LogLogError } from '../proto/errors.js';
import { OutgoingBatch } from './outgoing-batch.js';
import type { Scope } from './scope.js';
import { explained } from './scope.js';
import type { Submission } from './submission.js';

/** Calls that may wait for room at a time. */
export const submissionsWaitingMax = 65_536;

export interface IntakeLimits {
  /** Entries are packed together up to here; a larger one is a batch of its own. */
  readonly batchBytes: number;
  /** Framed bytes that are taken in and not yet committed; one larger entry still goes alone. */
  readonly bytesInFlightMax: number;
}

export interface IntakeHandlers {
  /** There may be a batch to send now, and if it says so one has become complete. */
  onCollected(isComplete: boolean): void;
  /** Nothing becomes of a batch. */
  readonly onFailed: (error: LogLogError) => void;
  /** Why nothing can be sent now, if that is so. */
  trouble(): LogLogError | undefined;
}

export class Intake {
  readonly #limits: IntakeLimits;
  readonly #handlers: IntakeHandlers;
  readonly #waiting: Submission[] = [];
  /** In order; only the last is still filled. */
  readonly #batches: OutgoingBatch[] = [];
  /** What the next batch is likely to need: a little more than the last one. */
  #bytesExpected = 0;
  #bytesHeld = 0;
  #ended: LogLogError | undefined;

  constructor(limits: IntakeLimits, handlers: IntakeHandlers) {
    this.#limits = limits;
    this.#handlers = handlers;
  }

  get bytesHeld(): number {
    return this.#bytesHeld;
  }

  get isEmpty(): boolean {
    return this.#batches.length === 0 && this.#waiting.length === 0;
  }

  /** Resolves when everything that has not left by now has been answered or given up. */
  async settled(): Promise<void> {
    const batches = this.#batches.map((batch) => batch.settled());
    await Promise.allSettled([...batches, ...this.#waiting.map(({ durable }) => durable)]);
  }

  /** When `scope` is aborted, its caller gives it up. */
  submit(submission: Submission, scope?: Scope): void {
    const reason = this.#ended ?? scope?.reason;
    if (reason !== undefined) return submission.reject(reason, 'none');
    submission.isRemovable = scope !== undefined;
    if (this.#waiting.length === 0 && this.#hasRoom(submission)) {
      this.#collect(submission);
    } else if (this.#waiting.length < submissionsWaitingMax) {
      this.#waiting.push(submission);
    } else {
      const message = `${submissionsWaitingMax} calls wait for room already`;
      const extras = { limit: submissionsWaitingMax };
      submission.reject(new LogLogError('RESOURCE_EXHAUSTED', message, extras), 'none');
      return;
    }
    scope?.onAbort((given) => this.#giveUp(submission, given));
  }

  /** The next batch that is worth sending: any if the pipe is free, else one that is complete. */
  next(isPipeFree: boolean): OutgoingBatch | undefined {
    const first = this.#batches[0];
    if (first === undefined) return undefined;
    const isComplete = this.#batches.length > 1 || first.isFull;
    if (!isPipeFree && !isComplete) return undefined;
    this.#bytesExpected = Math.min(Math.ceil(1.25 * first.bytes), this.#limits.batchBytes);
    return this.#batches.shift();
  }

  /** A batch that was sent has come to its end. */
  release(bytes: number): void {
    this.#bytesHeld -= bytes;
    for (;;) {
      const [first] = this.#waiting;
      if (first === undefined || !this.#hasRoom(first)) return;
      this.#waiting.shift();
      this.#collect(first);
    }
  }

  /** Refuses what has not left, and everything from now on. */
  end(error: LogLogError): void {
    this.#ended = error;
    for (const batch of this.#batches.splice(0)) batch.reject(error, 'none');
    for (const submission of this.#waiting.splice(0)) submission.reject(error, 'none');
    this.#bytesHeld = 0;
  }

  #hasRoom({ bytes }: Submission): boolean {
    return this.#bytesHeld === 0 || this.#bytesHeld + bytes <= this.#limits.bytesInFlightMax;
  }

  #collect(submission: Submission): void {
    const last = this.#batches.at(-1);
    const isLastComplete = last !== undefined && !last.fits(submission);
    let batch = last;
    if (batch === undefined || isLastComplete) {
      const { batchBytes } = this.#limits;
      batch = new OutgoingBatch(batchBytes, this.#bytesExpected, this.#handlers.onFailed);
      this.#batches.push(batch);
    }
    batch.add(submission);
    this.#bytesHeld += submission.bytes;
    this.#handlers.onCollected(isLastComplete || batch.isFull);
  }

  #giveUp(submission: Submission, reason: LogLogError): void {
    const { stage, trouble } = submission;
    const error = explained(reason, this.#handlers.trouble() ?? trouble);
    submission.reject(error, stage === 'sent' ? 'unknown' : 'none');
    if (stage === 'waiting') this.#waiting.splice(this.#waiting.indexOf(submission), 1);
    if (stage === 'collected') this.#remove(submission);
  }

  #remove(submission: Submission): void {
    for (const batch of this.#batches) batch.remove(submission);
    const index = this.#batches.findIndex((batch) => batch.isEmpty);
    if (index >= 0) this.#batches.splice(index, 1);
    this.release(submission.bytes);
  }
}
