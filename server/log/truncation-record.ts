/**
 * Says that the log is being cut back: written before the first byte of the suffix is touched and
 * cleared when the cut is durable, so that a start in between finishes it, and so that batches
 * behind a recorded cut are known as leftovers instead of rot. Both operations are durable when
 * they resolve, and a crash within one leaves the old value or the new.
 */
import { join } from 'node:path';
import { assert, LogLogError } from '../../proto/errors.js';
import type { Disk } from './disk.js';
import { isUnreadable } from './segment-window.js';
import { asCount, asFields, misshapen } from './shape.js';
import { createSlots, readSlots, SlotFile } from './slots.js';

export interface Truncation {
  /** Where the log is to end. */
  readonly offset: number;
  /** Where it ended before. */
  readonly endOffset: number;
}

const format = { fileName: 'truncation', magic: 'LLtr', version: 1 } as const;

export class TruncationRecord {
  readonly #slots: SlotFile;
  #pending: Truncation | null;

  private constructor(slots: SlotFile, pending: Truncation | null) {
    this.#slots = slots;
    this.#pending = pending;
  }

  /**
   * Makes the file if there is none, or if rot took both copies. `directory` is the data directory.
   *
   * Without its record a truncation that had begun is one that never did: nothing of the new log
   * was written or promised before it ended. What it had not cut yet is part of the log again, for
   * the leader to cut; a gap that it had made is rot that no copy of the log can explain.
   */
  static async open(disk: Disk, directory: string): Promise<TruncationRecord> {
    if (await isMissingOrRotten(disk, directory)) {
      await createSlots(disk, directory, format, { pending: null });
    }
    const { slots, value } = await SlotFile.open(disk, directory, format);
    return new TruncationRecord(slots, asPending(value));
  }

  /** The truncation that has begun and has not ended, without opening the file for writing. */
  static async peek(disk: Disk, directory: string): Promise<Truncation | null> {
    if ((await disk.lengthOf(join(directory, format.fileName))) === undefined) return null;
    return asPending(await readSlots(disk, directory, format));
  }

  /** The truncation that has begun and has not ended, perhaps in an earlier process. */
  get pending(): Truncation | null {
    return this.#pending;
  }

  async write({ offset, endOffset }: Truncation): Promise<void> {
    assert(this.#pending === null, 'one truncation ends before the next begins');
    assert(offset < endOffset, 'a truncation cuts something off');
    this.#pending = { offset, endOffset };
    await this.#slots.save({ pending: this.#pending });
  }

  async clear(): Promise<void> {
    this.#pending = null;
    await this.#slots.save({ pending: null });
  }

  close(): Promise<void> {
    return this.#slots.close();
  }
}

async function isMissingOrRotten(disk: Disk, directory: string): Promise<boolean> {
  if ((await disk.lengthOf(join(directory, format.fileName))) === undefined) return true;
  try {
    await readSlots(disk, directory, format);
    return false;
  } catch (error) {
    const unreadable = isUnreadable(error);
    if (!unreadable && !(error instanceof LogLogError && error.code === 'DATA_CORRUPT'))
      throw error;
    return true;
  }
}

function asPending(value: unknown): Truncation | null {
  const { pending } = asFields(value, 'the truncation record');
  if (pending === null) return null;
  const { offset, endOffset } = asFields(pending, "the truncation record's truncation");
  const truncation = {
    offset: asCount(offset, "the truncation record's offset"),
    endOffset: asCount(endOffset, "the truncation record's end offset"),
  };
  if (truncation.offset >= truncation.endOffset) throw misshapen('the truncation record', 'a cut');
  return truncation;
}
