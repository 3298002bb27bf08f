import type { Mark } from '../../server/raft/types.js';

/** The empty log's end: what lies in front of the first batch. */
const genesis: Mark = { offset: 0, end: 0, term: 0, chain: 'genesis' };

export function lastOf(marks: readonly Mark[]): Mark {
  return marks.at(-1) ?? genesis;
}

/** Batches of the given lengths that follow `previous`, each with a chain value of its own. */
export function marksAfter(previous: Mark, term: number, lengths: readonly number[]): Mark[] {
  const marks: Mark[] = [];
  for (const length of lengths) {
    const { end: offset, chain } = lastOf(marks.length > 0 ? marks : [previous]);
    const end = offset + length;
    marks.push({ offset, end, term, chain: `${chain.slice(-40)}/${term}.${offset}.${length}` });
  }
  return marks;
}

/** Batches of the given terms and length from offset 0 on. */
export function marksOf(terms: readonly number[], length = 10): Mark[] {
  const marks: Mark[] = [];
  for (const term of terms) marks.push(...marksAfter(lastOf(marks), term, [length]));
  return marks;
}
