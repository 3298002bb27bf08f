/**
 * The term table: where each term of a log begins, ascending. One leader writes a term, so "the
 * byte before offset o belongs to term t" identifies the whole log up to o, and two tables tell
 * how far two logs are the same.
 */
import { assert } from './assert.js';
import type { Rejection, TermStart } from './types.js';

/** The term of the byte before `offset`, which must not lie behind the log's end; 0 at 0. */
export function termBefore(terms: readonly TermStart[], offset: number): number {
  return terms[countBefore(terms, offset) - 1]?.term ?? 0;
}

/** The last of those entries that begin below `offset`, at most `countMax`. */
export function termsBelow(
  terms: readonly TermStart[],
  offset: number,
  countMax: number,
): TermStart[] {
  const count = countBefore(terms, offset);
  return terms.slice(Math.max(0, count - countMax), count);
}

/** Notes that a batch of `term` begins at `startOffset`, the log's end. */
export function extendTerms(terms: TermStart[], term: number, startOffset: number): void {
  if (terms.at(-1)?.term !== term) terms.push({ term, startOffset });
}

export function truncateTerms(terms: TermStart[], offset: number): void {
  terms.length = countBefore(terms, offset);
}

/** Where to look next for the end of what two logs share. */
export type CommonPoint =
  | { readonly type: 'found'; readonly offset: number }
  /** The rejection does not reach back far enough: the logs differ at least down to here. */
  | { readonly type: 'below'; readonly offset: number }
  /** One term has two beginnings, which no correct leader can have written. */
  | { readonly type: 'contradiction'; readonly offset: number };

/** Compares a leader's own table with what a follower said it has below the refused offset. */
export function commonPoint(
  own: readonly TermStart[],
  ownEnd: number,
  rejection: Rejection,
): CommonPoint {
  let otherEnd = Math.min(rejection.endOffset, rejection.prevOffset);
  for (const other of rejection.terms.toReversed()) {
    const index = own.findLastIndex((entry) => entry.term === other.term);
    if (index >= 0) {
      if (own[index]?.startOffset !== other.startOffset) {
        return { type: 'contradiction', offset: other.startOffset };
      }
      return { type: 'found', offset: Math.min(endOf(own, index, ownEnd), otherEnd) };
    }
    otherEnd = other.startOffset;
  }
  const oldest = rejection.terms[0];
  if (oldest === undefined) return { type: 'found', offset: 0 };
  return { type: 'below', offset: lastBoundary(own, ownEnd, oldest) };
}

/** The last beginning or end of a term older than `bound.term`, at or below its start. */
function lastBoundary(own: readonly TermStart[], ownEnd: number, bound: TermStart): number {
  for (let index = own.length - 1; index >= 0; index -= 1) {
    const entry = own[index];
    assert(entry !== undefined, 'a loop stays within the table');
    if (entry.term >= bound.term) continue;
    const end = endOf(own, index, ownEnd);
    if (end <= bound.startOffset) return end;
    if (entry.startOffset <= bound.startOffset) return entry.startOffset;
  }
  return 0;
}

function endOf(terms: readonly TermStart[], index: number, logEnd: number): number {
  return terms[index + 1]?.startOffset ?? logEnd;
}

/** How many entries begin below `offset`. */
function countBefore(terms: readonly TermStart[], offset: number): number {
  let low = 0;
  let high = terms.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const entry = terms[middle];
    assert(entry !== undefined, 'a search stays within the table');
    if (entry.startOffset < offset) low = middle + 1;
    else high = middle;
  }
  return low;
}
