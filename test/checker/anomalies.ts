/** Anomalies of content, to be planted in valid histories. What is about order: disorders.ts. */
import type { RandomSource } from '../../proto/clock.js';
import { pick } from './choice.js';
import type { ViolationKind } from './findings.js';
import type { FinalBatch, History } from './history.js';
import {
  batchOf,
  choose,
  dataEndBefore,
  extended,
  found,
  isAcknowledged,
  isEnd,
  isFailed,
  isRead,
  isRefused,
  isUnknown,
  retold,
  rewritten,
} from './planting.js';

export interface Anomaly {
  readonly name: string;
  /** What the checker is to call it. */
  readonly kind: ViolationKind;
  /** Throws NoPlace where the history, or the choice made in it, has none. */
  readonly plant: (history: History, random: RandomSource) => History;
}

function without(history: History, batch: FinalBatch, fingerprints: readonly string[]): History {
  const entries = batch.entries.filter(({ fingerprint }) => !fingerprints.includes(fingerprint));
  return rewritten(history, batch, ...(entries.length > 0 ? [{ ...batch, entries }] : []));
}

/** With entries of the log under other fingerprints. */
function renamed(history: History, names: ReadonlyMap<string, string>): History {
  const final = history.final.map((batch) => ({
    ...batch,
    entries: batch.entries.map(({ offset, fingerprint }) => ({
      offset,
      fingerprint: names.get(fingerprint) ?? fingerprint,
    })),
  }));
  return { ...history, final };
}

function exchanged(history: History, one = '', other = ''): History {
  return renamed(
    history,
    new Map([
      [one, other],
      [other, one],
    ]),
  );
}

const wrongLogs: readonly Anomaly[] = [
  {
    name: 'an acknowledged append is lost',
    kind: 'lost',
    plant(history, random) {
      const append = choose(history, random, isAcknowledged);
      const batch = batchOf(history, append);
      return without(history, batch, append.entries);
    },
  },
  {
    name: 'half of an acknowledged append is lost',
    kind: 'torn',
    plant(history, random) {
      const append = choose(history, random, isAcknowledged, ({ entries }) => entries.length > 1);
      const batch = batchOf(history, append);
      return without(history, batch, append.entries.slice(1));
    },
  },
  {
    name: 'half of an unknown append is in the log',
    kind: 'torn',
    plant(history, random) {
      const append = choose(history, random, isUnknown, ({ entries }) => entries.length > 1);
      const batch = batchOf(history, append);
      return without(history, batch, append.entries.slice(0, 1));
    },
  },
  {
    name: 'an entry is torn',
    kind: 'phantom',
    plant(history, random) {
      const append = choose(history, random, isAcknowledged);
      return renamed(history, new Map([[append.entries[0] ?? '', 'half an entry']]));
    },
  },
  {
    name: 'an append lies in two batches',
    kind: 'torn',
    plant(history, random) {
      const append = choose(history, random, isAcknowledged, ({ entries }) => entries.length > 1);
      const batch = batchOf(history, append);
      const [, second] = append.outcome.offsets;
      const n = batch.entries.findIndex(({ offset }) => offset === second);
      const end = batch.entries[n]?.offset ?? 0;
      const first = { offset: batch.offset, end, entries: batch.entries.slice(0, n) };
      const rest = { offset: end, end: batch.end, entries: batch.entries.slice(n) };
      return rewritten(history, batch, first, rest);
    },
  },
  {
    name: 'the entries of an append are in another order',
    kind: 'torn',
    plant(history, random) {
      const append = choose(history, random, isAcknowledged, ({ entries }) => entries.length > 1);
      return exchanged(history, append.entries[0], append.entries[1]);
    },
  },
  {
    name: 'two appends are mixed',
    kind: 'torn',
    plant(history, random) {
      const one = choose(history, random, isAcknowledged, ({ entries }) => entries.length > 1);
      const other = choose(history, random, isAcknowledged, (append) => append !== one);
      return exchanged(history, one.entries[0], other.entries[0]);
    },
  },
  {
    name: 'an acknowledged append is there twice',
    kind: 'duplicated',
    plant(history, random) {
      const append = choose(history, random, isAcknowledged);
      return extended(history, append.entries);
    },
  },
  {
    name: 'an unknown append is there twice',
    kind: 'duplicated',
    plant(history, random) {
      const append = choose(history, random, isUnknown);
      return extended(extended(history, append.entries), append.entries);
    },
  },
  {
    name: 'a failed append is in the log',
    kind: 'failed',
    plant(history, random) {
      const append = choose(history, random, isFailed);
      return extended(history, append.entries);
    },
  },
  {
    name: 'a batch is there that nobody appended',
    kind: 'phantom',
    plant: (history) => extended(history, ['phantom']),
  },
  {
    name: 'a batch is there that holds nothing',
    kind: 'phantom',
    plant: (history) => extended(history, []),
  },
  {
    name: 'two batches overlap',
    kind: 'overlap',
    plant(history, random) {
      const batch = pick(history.final.slice(0, -1), random);
      const next = found(history.final[history.final.indexOf(batch) + 1]);
      return rewritten(history, batch, { ...batch, end: next.offset + 1 });
    },
  },
  {
    name: 'two entries are at one offset',
    kind: 'overlap',
    plant(history, random) {
      const append = choose(history, random, isAcknowledged, ({ entries }) => entries.length > 1);
      const batch = batchOf(history, append);
      const [first, second, ...others] = batch.entries;
      const { offset } = found(first);
      const entries = [found(first), { ...found(second), offset }, ...others];
      return rewritten(history, batch, { ...batch, entries });
    },
  },
  {
    name: 'two batches are out of order',
    kind: 'overlap',
    plant({ operations, final }) {
      return { operations, final: [...final.slice(1), ...final.slice(0, 1)] };
    },
  },
  {
    name: 'an entry lies outside its batch',
    kind: 'overlap',
    plant(history, random) {
      const batch = pick(history.final, random);
      const entries = batch.entries.map((entry) => ({ ...entry, offset: batch.end }));
      return rewritten(history, batch, { ...batch, entries });
    },
  },
];

const wrongAnswers: readonly Anomaly[] = [
  {
    name: 'an append is acknowledged at a wrong offset',
    kind: 'offset',
    plant(history, random) {
      const append = choose(history, random, isAcknowledged);
      const offsets = append.outcome.offsets.map((offset) => offset + 1);
      return retold(history, append, { ...append, outcome: { ...append.outcome, offsets } });
    },
  },
  {
    name: 'an append is acknowledged with a wrong end',
    kind: 'end',
    plant(history, random) {
      const append = choose(history, random, isAcknowledged);
      const outcome = { ...append.outcome, end: append.outcome.end + 1 };
      return retold(history, append, { ...append, outcome });
    },
  },
  {
    name: 'an append lies behind another end than it demanded',
    kind: 'expect',
    plant(history, random) {
      const append = choose(history, random, isAcknowledged);
      const batch = batchOf(history, append);
      const expect = dataEndBefore(history, batch) === 0 ? 1 : 0;
      return retold(history, append, { ...append, expect });
    },
  },
  {
    name: 'an append is refused although its condition holds',
    kind: 'refusal',
    plant(history, random) {
      const append = choose(history, random, isRefused);
      return retold(history, append, { ...append, expect: append.outcome.end });
    },
  },
  {
    name: 'an end lies inside a batch',
    kind: 'boundary',
    plant(history, random) {
      const end = choose(history, random, isEnd);
      return retold(history, end, { ...end, dataEnd: end.dataEnd + 1 });
    },
  },
  {
    name: 'a read has changed bytes',
    kind: 'changed',
    plant(history, random) {
      const read = choose(history, random, isRead, ({ entries }) => entries.length > 0);
      const entry = found(read.entries[0]);
      const entries = read.entries.with(0, { ...entry, fingerprint: 'changed' });
      return retold(history, read, { ...read, entries });
    },
  },
  {
    name: 'a read has a gap',
    kind: 'gap',
    plant(history, random) {
      const read = choose(history, random, isRead, ({ entries }) => entries.length > 2);
      return retold(history, read, { ...read, entries: read.entries.toSpliced(1, 1) });
    },
  },
  {
    name: 'a read ends too early',
    kind: 'gap',
    plant(history, random) {
      const read = choose(history, random, isRead, ({ entries }) => entries.length > 0);
      return retold(history, read, { ...read, entries: read.entries.slice(0, -1) });
    },
  },
  {
    name: 'a read has an entry twice',
    kind: 'extra',
    plant(history, random) {
      const read = choose(history, random, isRead, ({ entries }) => entries.length > 0);
      const entry = found(read.entries[0]);
      return retold(history, read, { ...read, entries: [entry, ...read.entries] });
    },
  },
  {
    name: 'a read has an entry from behind its end',
    kind: 'extra',
    plant(history, random) {
      const read = choose(history, random, isRead, ({ entries }) => entries.length > 0);
      const last = found(read.entries.at(-1));
      return retold(history, read, { ...read, next: last.offset });
    },
  },
];

const wrongHistories: readonly Anomaly[] = [
  {
    name: 'an operation returns before its call',
    kind: 'malformed',
    plant(history, random) {
      const end = choose(history, random, isEnd);
      return retold(history, end, { ...end, returnedAt: end.calledAt - 1 });
    },
  },
  {
    name: 'two appends share a fingerprint',
    kind: 'malformed',
    plant(history, random) {
      const one = choose(history, random, isFailed);
      const other = choose(history, random, isAcknowledged);
      return retold(history, one, { ...one, entries: other.entries });
    },
  },
];

export const contentAnomalies: readonly Anomaly[] = [
  ...wrongLogs,
  ...wrongAnswers,
  ...wrongHistories,
];
