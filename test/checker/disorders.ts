/** Anomalies of order, sessions and waits, to be planted in valid histories. */
import type { RandomSource } from '../../proto/clock.js';
import type { Anomaly } from './anomalies.js';
import type { EndOperation, FinalBatch, History, Operation } from './history.js';
import { swapAppends } from './mutation.js';
import type { Acknowledged } from './planting.js';
import {
  batchOf,
  choose,
  dataEndBefore,
  entriesBetween,
  isAcknowledged,
  isEnd,
  isLinearizable,
  isRead,
  isRefused,
  isWait,
  lastBatchBelow,
  noPlace,
  previousLook,
  retold,
} from './planting.js';

/** By real time: the one had returned when the other was called. */
function precedes({ returnedAt }: Operation, { calledAt }: Operation): boolean {
  return (returnedAt ?? Infinity) < calledAt;
}

/** The batch of an append that was acknowledged before the operation was called. */
function knownBefore(history: History, operation: Operation, random: RandomSource): FinalBatch {
  const append = choose(history, random, isAcknowledged, (each) => precedes(each, operation));
  return batchOf(history, append);
}

/** The batch of an append that was called after the operation had returned. */
function calledAfter(history: History, operation: Operation, random: RandomSource): FinalBatch {
  const append = choose(history, random, isAcknowledged, (each) => precedes(operation, each));
  return batchOf(history, append);
}

function withEndBefore(history: History, end: EndOperation, batch: FinalBatch): History {
  return retold(history, end, { ...end, dataEnd: dataEndBefore(history, batch) });
}

function withEndFromFuture(history: History, end: EndOperation, random: RandomSource): History {
  return retold(history, end, { ...end, dataEnd: calledAfter(history, end, random).end });
}

/** With each of two acknowledged appends, for which something holds, in the other's place. */
function reordered(
  history: History,
  random: RandomSource,
  holds: (one: Acknowledged, other: Acknowledged) => boolean,
): History {
  const one = choose(history, random, isAcknowledged);
  const other = choose(history, random, isAcknowledged, (each) => holds(one, each));
  return swapAppends(history, one, other);
}

const realTime: readonly Anomaly[] = [
  {
    name: 'two appends are reordered across real time',
    kind: 'reordered',
    plant: (history, random) =>
      reordered(
        history,
        random,
        (one, other) => one.session !== other.session && precedes(one, other),
      ),
  },
  {
    name: 'a linearizable end misses an acknowledged append',
    kind: 'stale',
    plant(history, random) {
      const end = choose(history, random, isLinearizable);
      return withEndBefore(history, end, knownBefore(history, end, random));
    },
  },
  {
    name: 'a linearizable end misses what was read before',
    kind: 'stale',
    plant(history, random) {
      const end = choose(history, random, isLinearizable);
      const read = choose(history, random, isRead, (each) => precedes(each, end));
      return withEndBefore(history, end, lastBatchBelow(history, read.next));
    },
  },
  {
    name: 'a linearizable end misses what one node told before',
    kind: 'stale',
    plant(history, random) {
      const end = choose(history, random, isLinearizable);
      const told = choose(
        history,
        random,
        isEnd,
        (each) => !each.linearizable && precedes(each, end),
      );
      return withEndBefore(history, end, lastBatchBelow(history, told.dataEnd));
    },
  },
  {
    name: 'a refusal rests on an old end',
    kind: 'stale',
    plant(history, random) {
      const append = choose(history, random, isRefused);
      const batch = knownBefore(history, append, random);
      const outcome = { ...append.outcome, end: dataEndBefore(history, batch) };
      return retold(history, append, { ...append, outcome });
    },
  },
  {
    name: 'a linearizable end comes from the future',
    kind: 'future',
    plant(history, random) {
      const end = choose(history, random, isLinearizable);
      return withEndFromFuture(history, end, random);
    },
  },
  {
    name: "one node's end comes from the future",
    kind: 'future',
    plant(history, random) {
      const end = choose(history, random, isEnd, ({ linearizable }) => !linearizable);
      return withEndFromFuture(history, end, random);
    },
  },
  {
    name: 'a read goes beyond what was committed',
    kind: 'future',
    plant(history, random) {
      const read = choose(history, random, isRead);
      const next = calledAfter(history, read, random).end;
      const entries = entriesBetween(history, read.from, next);
      return retold(history, read, { ...read, next, entries });
    },
  },
];

const sessions: readonly Anomaly[] = [
  {
    name: 'two appends of a writer are reordered',
    kind: 'writer',
    plant: (history, random) =>
      reordered(
        history,
        random,
        (one, other) => one.session === other.session && one.calledAt < other.calledAt,
      ),
  },
  {
    name: 'a session goes back within one instant',
    kind: 'session',
    plant(history, random) {
      const end = choose(history, random, isLinearizable, (each) => {
        const look = previousLook(history, each);
        return look?.type === 'end' && look.dataEnd > 0;
      });
      const look = previousLook(history, end);
      if (look?.type !== 'end') return noPlace();
      const back = withEndBefore(history, end, lastBatchBelow(history, look.dataEnd));
      return retold(back, look, { ...look, returnedAt: end.calledAt });
    },
  },
  {
    name: 'a tail repeats a page',
    kind: 'stream',
    plant(history, random) {
      const page = choose(history, random, isRead, (each) => {
        const last = previousLook(history, each);
        return each.stream !== undefined && last?.type === 'read' && last.entries.length > 0;
      });
      const last = previousLook(history, page);
      if (last?.type !== 'read') return noPlace();
      const { from, next, entries } = last;
      return retold(history, page, { ...page, from, next, entries });
    },
  },
  {
    name: 'a tail skips a page',
    kind: 'stream',
    plant(history, random) {
      const page = choose(
        history,
        random,
        isRead,
        (each) => each.stream !== undefined && each.entries.length > 0 && each.from > 0,
      );
      return retold(history, page, { ...page, from: page.next, entries: [] });
    },
  },
];

/** Longer than any slack that the checker is given. */
const longMs = 60_000;

const waits: readonly Anomaly[] = [
  {
    name: 'a waiter is told that there is nothing while there is',
    kind: 'missed wake-up',
    plant(history, random) {
      const wait = choose(
        history,
        random,
        isWait,
        ({ outcome, waitMs }) => outcome === 'nothing' && waitMs > 0,
      );
      return retold(history, wait, { ...wait, readableAt: wait.calledAt });
    },
  },
  {
    name: 'a waiter is told late that there is something',
    kind: 'late wake-up',
    plant(history, random) {
      const wait = choose(history, random, isWait, ({ outcome }) => outcome === 'more');
      const waitMs = 2 * longMs;
      const late = { waitMs, returnedAt: wait.calledAt + longMs };
      return retold(history, wait, { ...wait, ...late });
    },
  },
  {
    name: 'a waiter is told late that its time is up',
    kind: 'late wake-up',
    plant(history, random) {
      const wait = choose(history, random, isWait, ({ outcome }) => outcome === 'nothing');
      return retold(history, wait, { ...wait, returnedAt: wait.calledAt + longMs });
    },
  },
  {
    name: 'a waiter waits for ever',
    kind: 'late wake-up',
    plant(history, random) {
      const wait = choose(history, random, isWait, ({ outcome }) => outcome === 'nothing');
      const hanging = retold(history, wait, { ...wait, returnedAt: null });
      return { ...hanging, operations: [...hanging.operations, lookAt(wait.calledAt + longMs)] };
    },
  },
];

function lookAt(calledAt: number): EndOperation {
  const call = { session: 'late', calledAt, returnedAt: calledAt };
  return { ...call, type: 'end', dataEnd: 0, linearizable: false };
}

export const disorders: readonly Anomaly[] = [...realTime, ...sessions, ...waits];
