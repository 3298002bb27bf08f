/** Small random changes to a history, most of which make it one that cannot have happened. */
import type { RandomSource } from '../../proto/clock.js';
import { pick, upTo } from './choice.js';
import type { AppendOperation, FinalBatch, History, Operation } from './history.js';

type Mutation = (history: History, random: RandomSource) => History;

/** Content is easily broken: most leave it as it is, and change what was when. */
const mutations: readonly Mutation[] = [
  ...Array.from({ length: 3 }, () => retell),
  ...Array.from({ length: 2 }, () => swap),
  ...Array.from({ length: 5 }, () => move),
  remove,
  mutateFinal,
];

export function mutate(history: History, random: RandomSource): History {
  return pick(mutations, random)(history, random);
}

function remove({ operations, final }: History, random: RandomSource): History {
  return { operations: operations.toSpliced(upTo(operations.length - 1, random), 1), final };
}

/** Two appends change places, with all that they were told. */
function swap(history: History, random: RandomSource): History {
  const appends = history.operations.filter((operation) => operation.type === 'append');
  if (appends.length < 2) return history;
  return swapAppends(history, pick(appends, random), pick(appends, random));
}

export function swapAppends(
  history: History,
  one: AppendOperation,
  other: AppendOperation,
): History {
  const callOf = ({ session, calledAt, returnedAt }: Operation) => ({
    session,
    calledAt,
    returnedAt,
  });
  const { operations } = history;
  return {
    ...history,
    operations: operations
      .with(operations.indexOf(one), { ...other, ...callOf(one) })
      .with(operations.indexOf(other), { ...one, ...callOf(other) }),
  };
}

/** To another time or another session. */
function move(history: History, random: RandomSource): History {
  const { operations } = history;
  if (operations.length === 0) return history;
  const operation = pick(operations, random);
  const moved = moveTo(operation, pick(operations, random), random);
  return { ...history, operations: operations.with(operations.indexOf(operation), moved) };
}

function moveTo(operation: Operation, other: Operation, random: RandomSource): Operation {
  const { calledAt, returnedAt } = operation;
  switch (upTo(3, random)) {
    case 0:
      return { ...operation, session: other.session };
    case 1:
      return { ...operation, calledAt: Math.min(other.calledAt, returnedAt ?? Infinity) };
    case 2:
      return { ...operation, returnedAt: Math.max(calledAt, other.returnedAt ?? calledAt) };
    default:
      return { ...operation, calledAt: other.calledAt, returnedAt: other.returnedAt };
  }
}

/** With another answer. */
function retell(history: History, random: RandomSource): History {
  const { operations, final } = history;
  if (operations.length === 0) return history;
  const operation = pick(operations, random);
  const told = tell(operation, final, random);
  return { ...history, operations: operations.with(operations.indexOf(operation), told) };
}

function tell(operation: Operation, final: readonly FinalBatch[], random: RandomSource): Operation {
  const end = pick([0, 1, ...final.map((batch) => batch.end)], random);
  switch (operation.type) {
    case 'append':
      return tellAppend(operation, final, end, random);
    case 'end':
      return random.fraction() < 0.2
        ? { ...operation, linearizable: !operation.linearizable }
        : { ...operation, dataEnd: end };
    case 'read':
      return tellRead(operation, final, end, random);
    case 'wait':
      return operation;
  }
}

function tellRead(
  read: Operation & { readonly type: 'read' },
  final: readonly FinalBatch[],
  end: number,
  random: RandomSource,
): Operation {
  const { from, entries } = read;
  const index = upTo(entries.length, random);
  const entry = entries[index];
  switch (upTo(3, random)) {
    case 0:
      return { ...read, entries: entries.toSpliced(index, 1) };
    case 1:
      if (entry === undefined) return { ...read, next: end };
      return { ...read, entries: entries.with(index, { ...entry, fingerprint: 'other' }) };
    case 2:
      return { ...read, entries: [...entries, { offset: end, fingerprint: 'extra' }] };
    default: {
      const stored = final.flatMap((batch) => batch.entries);
      const found = stored.filter(({ offset }) => from <= offset && offset < end);
      return { ...read, next: Math.max(from, end), entries: found };
    }
  }
}

function tellAppend(
  append: AppendOperation,
  final: readonly FinalBatch[],
  end: number,
  random: RandomSource,
): Operation {
  const { outcome } = append;
  const returnedAt = append.returnedAt ?? append.calledAt;
  switch (upTo(5, random)) {
    case 0:
      return { ...append, expect: end };
    case 1:
      return { ...append, outcome: { type: 'unknown', code: 'DEADLINE' } };
    case 2:
      return { ...append, returnedAt, outcome: { type: 'failed', code: 'CONDITION_FAILED', end } };
    case 3:
      if (outcome.type !== 'acknowledged') return append;
      return { ...append, outcome: { ...outcome, end } };
    case 4:
      if (outcome.type !== 'acknowledged') return append;
      return { ...append, outcome: { ...outcome, offsets: outcome.offsets.toReversed() } };
    default: {
      const batch = final.find(({ entries }) =>
        entries.some(({ fingerprint }) => append.entries.includes(fingerprint)),
      );
      if (batch === undefined) return append;
      const found = batch.entries.filter(({ fingerprint }) => append.entries.includes(fingerprint));
      const offsets = found.map(({ offset }) => offset);
      return { ...append, returnedAt, outcome: { type: 'acknowledged', offsets, end: batch.end } };
    }
  }
}

const finalMutations: readonly Mutation[] = [
  (history, random) => {
    const index = upTo(history.final.length - 1, random);
    return { ...history, final: history.final.toSpliced(index, 1) };
  },
  // Entries change places; offsets stay.
  (history, random) => {
    const stored = history.final.flatMap(({ entries }) => entries);
    const one = pick(stored, random).fingerprint;
    const other = pick(stored, random).fingerprint;
    return withFingerprints(history, (each) =>
      each === one ? other : each === other ? one : each,
    );
  },
  (history, random) => {
    const chosen = pick(
      history.final.flatMap(({ entries }) => entries),
      random,
    ).fingerprint;
    return withFingerprints(history, (each) => (each === chosen ? 'phantom' : each));
  },
  (history) => {
    const last = history.final.at(-1);
    if (last === undefined) return history;
    const batch = { ...last, offset: last.end, end: last.end + 200 };
    const entries = last.entries.map((entry, n) => ({ ...entry, offset: last.end + n }));
    return { ...history, final: [...history.final, { ...batch, entries }] };
  },
  // A batch falls into two.
  (history, random) => {
    const { final } = history;
    const batch = pick(final, random);
    const last = batch.entries.at(-1);
    if (last === undefined || batch.entries.length < 2) return history;
    const first = { ...batch, end: last.offset, entries: batch.entries.slice(0, -1) };
    const second = { ...batch, offset: last.offset, entries: [last] };
    return { ...history, final: final.toSpliced(final.indexOf(batch), 1, first, second) };
  },
  // Two batches become one.
  (history, random) => {
    const { final } = history;
    const index = upTo(final.length - 1, random);
    const first = final[index];
    const second = final[index + 1];
    if (first === undefined || second === undefined) return history;
    const entries = [...first.entries, ...second.entries];
    const joined = { offset: first.offset, end: second.end, entries };
    return { ...history, final: final.toSpliced(index, 2, joined) };
  },
  (history, random) => {
    const index = upTo(history.final.length - 1, random);
    const batch = history.final[index];
    if (batch === undefined) return history;
    const longer = { ...batch, end: batch.end + upTo(200, random) };
    return { ...history, final: history.final.with(index, longer) };
  },
];

function mutateFinal(history: History, random: RandomSource): History {
  return history.final.length === 0 ? history : pick(finalMutations, random)(history, random);
}

function withFingerprints(history: History, change: (fingerprint: string) => string): History {
  return {
    ...history,
    final: history.final.map((batch) => ({
      ...batch,
      entries: batch.entries.map((entry) => ({ ...entry, fingerprint: change(entry.fingerprint) })),
    })),
  };
}
