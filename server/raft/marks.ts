/** The marks of the newest batches, without a gap up to the log's end. */
import { assert } from './assert.js';
import type { Mark } from './types.js';

export interface RecentMarks {
  readonly items: Mark[];
  /** Where the oldest of them begins; the log's end if there is none. */
  startOffset: number;
  /** The chain value in front of it, where it is known. */
  startChain: string | null;
}

/** The index of the first mark that begins at or behind `offset`. */
export function markIndex(marks: RecentMarks, offset: number): number {
  const { items } = marks;
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const mark = items[middle];
    assert(mark !== undefined, 'a search stays within the marks');
    if (mark.offset < offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The chain value at `offset`, or null where it is not at hand. */
export function chainAt(marks: RecentMarks, offset: number): string | null {
  if (offset === marks.startOffset) return marks.startChain;
  const mark = marks.items[markIndex(marks, offset) - 1];
  return mark?.end === offset ? mark.chain : null;
}

/** Forgets the marks from `offset` on, which is a boundary. */
export function truncateMarks(marks: RecentMarks, offset: number): void {
  marks.items.length = markIndex(marks, offset);
  if (offset < marks.startOffset) {
    marks.startOffset = offset;
    marks.startChain = null;
  }
}

/** Keeps at most `countMax` of the marks below `offset`. */
export function trimMarks(marks: RecentMarks, offset: number, countMax: number): void {
  const excess = markIndex(marks, offset) - countMax;
  if (excess <= 0) return;
  // Some more than is due, so that moving the rest is not paid for with every batch.
  const dropped = marks.items.splice(0, excess + (countMax >>> 3));
  for (const mark of dropped) {
    marks.startOffset = mark.end;
    marks.startChain = mark.chain;
  }
}

/** Whether the marks are batches that follow each other from `offset` on, terms never falling. */
export function isRun(marks: readonly Mark[], offset: number, termMin: number): boolean {
  let end = offset;
  let term = termMin;
  for (const mark of marks) {
    if (mark.offset !== end || mark.end <= end || mark.term < term) return false;
    ({ end, term } = mark);
  }
  return true;
}
