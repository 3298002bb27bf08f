/**
 * Says by trying everything whether an atomic log could have given all the answers of a history:
 * exponential, for tiny histories only, and written to be seen correct. Waits have no part in it.
 *
 * An atomic log commits one batch after another, each of them one or more appends; every other
 * operation looks at it once. Nothing overtakes what returned before it was called.
 */
import type {
  AppendOperation,
  EndOperation,
  FinalBatch,
  FoundEntry,
  History,
  Operation,
  ReadOperation,
} from './history.js';

export function couldHaveHappened(history: History): boolean {
  return (
    history.operations.every(({ calledAt, returnedAt }) => calledAt <= (returnedAt ?? Infinity)) &&
    isInOrder(history.final) &&
    pagesJoin(history.operations) &&
    new Search(history).canFinish(new Set(), 0)
  );
}

function isInOrder(final: readonly FinalBatch[]): boolean {
  return final.every(
    ({ offset, end, entries }, n) =>
      offset >= (final[n - 1]?.end ?? 0) &&
      entries.every(
        (entry, m) => entry.offset > (entries[m - 1]?.offset ?? offset - 1) && entry.offset < end,
      ),
  );
}

/** In the order of their calls. */
function sorted(operations: readonly Operation[]): Operation[] {
  return [...operations].sort((a, b) => a.calledAt - b.calledAt);
}

function pagesJoin(operations: readonly Operation[]): boolean {
  const told = operations.filter(saysAnything);
  const pages = sorted(told).filter((operation) => operation.type === 'read');
  return pages.every((page, n) => {
    if (page.stream === undefined) return true;
    const last = pages
      .slice(0, n)
      .findLast(({ session, stream }) => session === page.session && stream === page.stream);
    return last === undefined || last.next === page.from;
  });
}

class Search {
  readonly #final: readonly FinalBatch[];
  readonly #operations: readonly Operation[];
  /** Sets of operations that have been done once in vain. */
  readonly #vain = new Set<string>();

  constructor({ operations, final }: History) {
    this.#final = final;
    this.#operations = sorted(operations.filter(saysAnything));
  }

  /** `done` have happened, and the first `version` batches are committed. */
  canFinish(done: ReadonlySet<Operation>, version: number): boolean {
    const open = this.#operations.filter((operation) => !done.has(operation));
    if (version === this.#final.length && open.every(mayNeverHappen)) return true;
    const key = open.map((operation) => this.#operations.indexOf(operation)).join();
    if (this.#vain.has(key)) return false;
    this.#vain.add(key);
    const ready = open.filter(
      (operation, n) => !open.some((other, m) => precedes(other, operation, m < n)),
    );
    const appends = ready.filter((operation) => operation.type === 'append');
    return (
      ready.some(
        (operation) =>
          this.#isAnswer(operation, version) &&
          this.canFinish(new Set([...done, operation]), version),
      ) || this.#canCommit(appends, done, version, 0)
    );
  }

  /** Whether the next batch can go on with one of these, its first entries being there already. */
  #canCommit(
    appends: readonly AppendOperation[],
    done: ReadonlySet<Operation>,
    version: number,
    entryCount: number,
  ): boolean {
    const batch = this.#final[version];
    if (batch === undefined) return false;
    if (entryCount > 0 && entryCount === batch.entries.length) {
      return this.canFinish(done, version + 1);
    }
    return appends.some((append) => {
      const entries = batch.entries.slice(entryCount, entryCount + append.entries.length);
      return (
        !done.has(append) &&
        append.outcome.type !== 'failed' &&
        this.#isTrueOf(append, entries, batch, version) &&
        !this.#isOvertaken(append, done) &&
        this.#canCommit(appends, new Set([...done, append]), version, entryCount + entries.length)
      );
    });
  }

  #isTrueOf(
    { entries, outcome, expect }: AppendOperation,
    found: readonly FoundEntry[],
    batch: FinalBatch,
    version: number,
  ): boolean {
    const isSame = same(
      entries,
      found.map(({ fingerprint }) => fingerprint),
    );
    const isAsExpected = expect === undefined || expect === this.#dataEnd(version);
    if (outcome.type !== 'acknowledged') return isSame && isAsExpected;
    const offsets = found.map(({ offset }) => offset);
    return isSame && isAsExpected && same(outcome.offsets, offsets) && outcome.end === batch.end;
  }

  /** A later append of its session is in the log already. */
  #isOvertaken(append: AppendOperation, done: ReadonlySet<Operation>): boolean {
    const later = this.#operations.slice(this.#operations.indexOf(append) + 1);
    return later.some(
      (other) =>
        other.type === 'append' &&
        other.outcome.type !== 'failed' &&
        other.session === append.session &&
        done.has(other),
    );
  }

  #isAnswer(operation: Operation, version: number): boolean {
    switch (operation.type) {
      case 'append':
        return (
          operation.outcome.type === 'failed' &&
          operation.outcome.end === this.#dataEnd(version) &&
          operation.outcome.end !== operation.expect
        );
      case 'end':
        return this.#isEnd(operation, version);
      case 'read':
        return this.#isPage(operation, version);
      case 'wait':
        return true;
    }
  }

  #isEnd({ dataEnd, linearizable }: EndOperation, version: number): boolean {
    if (linearizable) return dataEnd === this.#dataEnd(version);
    const versions = Array.from({ length: version + 1 }, (_, n) => n);
    return versions.some((older) => dataEnd === this.#dataEnd(older));
  }

  #isPage({ from, next, entries }: ReadOperation, version: number): boolean {
    const committed = this.#final.slice(0, version).flatMap((batch) => batch.entries);
    const range = committed.filter(({ offset }) => from <= offset && offset < next);
    return (
      same(
        entries.map(({ offset }) => offset),
        range.map(({ offset }) => offset),
      ) &&
      same(
        entries.map(({ fingerprint }) => fingerprint),
        range.map(({ fingerprint }) => fingerprint),
      ) &&
      this.#final.slice(version).every(({ offset }) => offset >= next)
    );
  }

  #dataEnd(version: number): number {
    return this.#final[version - 1]?.end ?? 0;
  }
}

function same<Value>(these: readonly Value[], those: readonly Value[]): boolean {
  return these.length === those.length && these.every((value, n) => value === those[n]);
}

/** Nothing is known of the others: they need not have happened, and nobody could tell. */
function saysAnything(operation: Operation): boolean {
  if (operation.type === 'append') {
    return operation.outcome.type !== 'failed' || operation.outcome.end !== undefined;
  }
  return operation.type !== 'wait' && operation.returnedAt !== null;
}

function mayNeverHappen(operation: Operation): boolean {
  return operation.type === 'append' && operation.outcome.type === 'unknown';
}

/** Whether the first has surely happened before the second, which may be the same. */
function precedes(first: Operation, second: Operation, isListedBefore: boolean): boolean {
  if (mayNeverHappen(first) || first.returnedAt === null) return false;
  if (first.returnedAt < second.calledAt) return true;
  const isOneSession = first.session === second.session && looks(first) && looks(second);
  return isOneSession && isListedBefore && first.returnedAt === second.calledAt;
}

/** A session looks at the log once at a time; its appends may overlap. */
function looks({ type }: Operation): boolean {
  return type === 'read' || type === 'end';
}
