/** What the core knows of its own log: offsets, terms and the newest marks, never the bytes. */
import { extendAdmissions, truncateAdmissions } from './admissions.js';
import { assert } from './assert.js';
import { chainAt, isRun, truncateMarks } from './marks.js';
import type { RecentMarks } from './marks.js';
import { extendTerms, termBefore, truncateTerms } from './terms.js';
import type { AdmissionAt, Mark, RaftStart, TermStart } from './types.js';

export interface Log {
  readonly terms: TermStart[];
  readonly admissions: AdmissionAt[];
  /** At least everything behind the commit or the durable offset, whichever is smaller. */
  readonly marks: RecentMarks;
  endOffset: number;
  durableOffset: number;
  commitOffset: number;
  /** Counts the truncations: an older `synced` speaks of bytes that are gone. */
  generation: number;
  /** When the durable offset last moved, or fell behind the end. */
  syncTick: number;
}

export function createLog(start: RaftStart): Log {
  const { endOffset, endChain, commitOffset } = start;
  assert(commitOffset <= endOffset, 'a log is committed beyond its end');
  const admissions: AdmissionAt[] = [];
  for (const admission of start.admissions) extendAdmissions(admissions, admission);
  return {
    terms: [...start.terms],
    admissions,
    marks: { items: [], startOffset: endOffset, startChain: endChain },
    endOffset,
    durableOffset: endOffset,
    commitOffset,
    generation: 0,
    syncTick: 0,
  };
}

export function lastTerm(log: Log): number {
  return log.terms.at(-1)?.term ?? 0;
}

/** The last batch's term and the end of what is durable: all that an election may count. */
export function durableEnd(log: Log): { readonly lastTerm: number; readonly endOffset: number } {
  const endOffset = log.durableOffset;
  return { lastTerm: termBefore(log.terms, endOffset), endOffset };
}

/** Adds batches behind the log's end. */
export function extendLog(log: Log, marks: readonly Mark[], tick: number): void {
  assert(isRun(marks, log.endOffset, lastTerm(log)), 'new batches do not follow the log');
  if (log.durableOffset === log.endOffset) log.syncTick = tick;
  for (const mark of marks) {
    extendTerms(log.terms, mark.term, mark.offset);
    const { offset, end, admission } = mark;
    if (admission !== undefined) extendAdmissions(log.admissions, { ...admission, offset, end });
    log.marks.items.push(mark);
    log.endOffset = mark.end;
  }
}

/** Cuts the log back to `offset`, a boundary at or behind the commit offset. */
export function truncateLog(log: Log, offset: number): void {
  assert(offset >= log.commitOffset, 'a truncation reaches below the commit offset');
  truncateTerms(log.terms, offset);
  truncateAdmissions(log.admissions, offset);
  truncateMarks(log.marks, offset);
  log.endOffset = offset;
  log.durableOffset = Math.min(log.durableOffset, offset);
  log.generation += 1;
}

/** Notes how far the disk is; whether that is news. */
export function markSynced(log: Log, generation: number, offset: number, tick: number): boolean {
  if (generation !== log.generation || offset <= log.durableOffset) return false;
  assert(
    offset <= log.endOffset && chainAt(log.marks, offset) !== null,
    `no batch ends at ${offset}, which is said to be synced`,
  );
  log.durableOffset = offset;
  log.syncTick = tick;
  return true;
}

/** How a batch that the leader sent compares with what the log has in its place. */
export type Comparison = 'same' | 'absent' | 'conflict' | 'contradiction';

/** Compares a batch that follows a matching prefix. */
export function compareMark(log: Log, mark: Mark): Comparison {
  if (mark.offset === log.endOffset) return 'absent';
  if (mark.end <= log.endOffset && termBefore(log.terms, mark.end) === mark.term) {
    return sameChain(log, mark.end, mark.chain) ? 'same' : 'contradiction';
  }
  // One leader wrote the term: it cannot have put two different batches at one offset.
  return termBefore(log.terms, mark.offset + 1) === mark.term ? 'contradiction' : 'conflict';
}

/** False only if the chain value at `offset` is known and another. */
export function sameChain(log: Log, offset: number, chain: string): boolean {
  const known = chainAt(log.marks, offset);
  return known === null || known === chain;
}
