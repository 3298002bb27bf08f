/** Bytes of the log that a disk has lost, where that is more than what a crash leaves. */
import type { ErrorCode } from '../../proto/errors.js';
import { LogLogError } from '../../proto/errors.js';
import { segmentName } from './segment.js';

const lossCodes: ReadonlySet<ErrorCode> = new Set(['DATA_CORRUPT', 'UNAVAILABLE']);

/**
 * `within`: something shows that the log went on there, so what stood there can be proven
 * (mend.ts). `tail`: nothing behind it is valid, so nobody can say where this log ended.
 */
export type RotKind = 'within' | 'tail';

export interface RotPlace {
  /** Of the segment, which may be missing. */
  readonly baseOffset: number;
  /** Of the next segment that is there. */
  readonly nextBase: number | undefined;
  /** Where the first bad batch begins; the base where the header of the file is bad. */
  readonly offset: number;
}

export class Rot extends LogLogError implements RotPlace {
  readonly kind: RotKind;
  readonly baseOffset: number;
  readonly nextBase: number | undefined;
  readonly offset: number;

  constructor(kind: RotKind, { baseOffset, nextBase, offset }: RotPlace, reason: string) {
    super('DATA_CORRUPT', `${segmentName(baseOffset)}, offset ${offset}: ${reason}`);
    this.kind = kind;
    this.baseOffset = baseOffset;
    this.nextBase = nextBase;
    this.offset = offset;
  }
}

/**
 * Whether a read failed for what the disk has lost: for good, or, as UNAVAILABLE, while a node that
 * may have it does not answer.
 */
export function isLoss(error: unknown): error is LogLogError {
  return error instanceof LogLogError && lossCodes.has(error.code);
}
