/** What clients of a run have done and been told, to be compared with the log in the end. */
import type { Batch } from '../../proto/batch.js';
import { batchEnd } from '../../proto/batch.js';
import { entriesOf } from '../../proto/entries.js';
import { LogLogError } from '../../proto/errors.js';
import type { Appended } from '../../client/submission.js';
import type { Position } from '../../client/writer.js';

type Fate =
  | { readonly type: 'pending' }
  | { readonly type: 'acknowledged'; readonly position: Position }
  | { readonly type: 'failed'; readonly error: LogLogError };

interface Attempt {
  readonly author: string;
  readonly text: string;
  readonly expect: number | undefined;
  fate: Fate;
}

/** An entry as the log has it. */
export interface Found {
  readonly offset: number;
  readonly text: string;
}

interface Stored extends Found {
  readonly batchEnd: number;
  /** End of the data batch before its own; 0 if there is none. */
  readonly dataEndBefore: number;
}

export class History {
  readonly attempts: Attempt[] = [];
  /** Everything below was acknowledged by now. */
  acknowledgedEnd = 0;

  /** An entry that nobody else appends. */
  begin(author: string, size: number, expect?: number): Attempt {
    const text = `${author} ${this.attempts.length} `.padEnd(size, '.');
    const attempt: Attempt = { author, text, expect, fate: { type: 'pending' } };
    this.attempts.push(attempt);
    return attempt;
  }

  /** Notes what becomes of it; resolves with the error, if it fails. */
  async end(
    attempt: Attempt,
    outcome: Promise<Position | Appended>,
  ): Promise<LogLogError | undefined> {
    try {
      const told = await outcome;
      const offset = 'offsets' in told ? told.offsets[0] : told.offset;
      const position = { offset: offset ?? NaN, end: told.end };
      attempt.fate = { type: 'acknowledged', position };
      this.acknowledgedEnd = Math.max(this.acknowledgedEnd, told.end);
      return undefined;
    } catch (error) {
      if (!(error instanceof LogLogError)) throw error;
      attempt.fate = { type: 'failed', error };
      return error;
    }
  }

  /** What is wrong with a log, given all this. */
  problems(batches: readonly Batch[]): string[] {
    const stored = new Map<string, Stored[]>();
    const lastOf = new Map<string, number>();
    const problems: string[] = [];
    for (const entry of entriesIn(batches)) {
      stored.set(entry.text, [...(stored.get(entry.text) ?? []), entry]);
      const [author = '', number] = entry.text.split(' ');
      if (Number(number) < (lastOf.get(author) ?? -1)) problems.push(`${entry.text}: out of order`);
      lastOf.set(author, Number(number));
    }
    for (const attempt of this.attempts) {
      const wrong = problemOf(attempt, stored.get(attempt.text) ?? []);
      if (wrong !== undefined) problems.push(`${attempt.text.trimEnd()}: ${wrong}`);
      stored.delete(attempt.text);
    }
    return [...problems, ...[...stored.keys()].map((text) => `nobody appended ${text}`)];
  }
}

function problemOf({ expect, fate }: Attempt, stored: readonly Stored[]): string | undefined {
  const [entry] = stored;
  if (stored.length > 1) return `is ${stored.length} times in the log`;
  if (entry !== undefined && expect !== undefined && entry.dataEndBefore !== expect) {
    return `stands behind ${entry.dataEndBefore}, not ${expect}`;
  }
  switch (fate.type) {
    case 'pending':
      return 'has no answer';
    case 'failed':
      return fate.error.outcome === 'none' && entry !== undefined
        ? `is in the log, and was refused with ${fate.error.code}`
        : undefined;
    case 'acknowledged':
      if (entry === undefined) return 'was acknowledged and is lost';
      return entry.offset === fate.position.offset && entry.batchEnd === fate.position.end
        ? undefined
        : `is at ${entry.offset}, not at ${fate.position.offset}`;
  }
}

export function entriesIn(batches: readonly Batch[]): Stored[] {
  let dataEndBefore = 0;
  return batches
    .filter(({ header }) => header.kind === 'data')
    .flatMap((batch) => {
      const end = batchEnd(batch.header);
      const entries = [...entriesOf(batch)].map(({ offset, data }) => ({
        offset,
        text: data.toString(),
        batchEnd: end,
        dataEndBefore,
      }));
      dataEndBefore = end;
      return entries;
    });
}
