/** What is promised to one session besides: the order of its own calls. */
import type { FinalLog } from './final-log.js';
import type { Findings } from './findings.js';
import { describe } from './findings.js';
import type { History, Operation, ReadOperation } from './history.js';

/**
 * Appends of a session lie in the log in the order of its calls; pages of a reader join; a
 * linearizable end is not behind what the session had been told by a read or an end before, even
 * if that was at the same instant.
 */
export function checkSessions(
  { operations }: History,
  log: FinalLog,
  placement: Int32Array,
  versions: Int32Array,
  findings: Findings,
): void {
  const sessions = new Map<string, Session>();
  for (const index of inOrderOfCalls(operations)) {
    const operation = operations[index];
    if (operation === undefined) continue;
    let session = sessions.get(operation.session);
    if (session === undefined) {
      session = new Session(findings);
      sessions.set(operation.session, session);
    }
    const first = placement[index] ?? -1;
    if (first >= 0) session.appended(operation, log.entries[first]?.offset ?? -1);
    if (operation.type === 'read' && operation.returnedAt !== null) session.page(operation);
    if (operation.type !== 'append') session.told(operation, versions[index] ?? -1);
  }
}

/** Indexes; what was called at the same instant stays as it is listed. */
function inOrderOfCalls(operations: readonly Operation[]): Int32Array {
  const indexes = new Int32Array(operations.length).map((_, index) => index);
  const calledAt = Float64Array.from(operations, (operation) => operation.calledAt);
  return indexes.sort((a, b) => (calledAt[a] ?? 0) - (calledAt[b] ?? 0) || a - b);
}

interface Known {
  readonly version: number;
  readonly operation: Operation;
  /** When all that has been told was. */
  readonly toldAt: number;
}

class Session {
  readonly #findings: Findings;
  #lastAppend: { readonly operation: Operation; readonly offset: number } | undefined;
  #known: Known | undefined;
  readonly #lastPages = new Map<string, ReadOperation>();

  constructor(findings: Findings) {
    this.#findings = findings;
  }

  appended(operation: Operation, offset: number): void {
    const last = this.#lastAppend;
    if (last !== undefined && offset < last.offset) {
      const words = `lies before an earlier ${describe(last.operation)}`;
      this.#findings.add('writer', `${describe(operation)} ${words}`);
    }
    this.#lastAppend = { operation, offset };
  }

  told(operation: Operation, version: number): void {
    const { calledAt, returnedAt } = operation;
    if (version < 0 || returnedAt === null) return;
    const known = this.#known;
    const isAfterwards = known !== undefined && known.toldAt <= calledAt;
    const isNewest = operation.type === 'end' && operation.linearizable;
    if (isNewest && isAfterwards && version < known.version) {
      const words = `is behind an earlier ${describe(known.operation)}`;
      this.#findings.add('session', `${describe(operation)} ${words}`);
    }
    const newest = known !== undefined && known.version >= version ? known : { version, operation };
    this.#known = { ...newest, toldAt: Math.max(known?.toldAt ?? 0, returnedAt) };
  }

  page(page: ReadOperation): void {
    if (page.stream === undefined) return;
    const last = this.#lastPages.get(page.stream);
    if (last !== undefined && last.next !== page.from) {
      this.#findings.add('stream', `${describe(page)} does not follow ${describe(last)}`);
    }
    this.#lastPages.set(page.stream, page);
  }
}
