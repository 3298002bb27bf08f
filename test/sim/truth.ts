/** What clients were told of the log, put together: no two of them may have been told otherwise. */
import type { FinalBatch, Fingerprint, FoundEntry, Operation } from '../checker/history.js';

export class Truth {
  readonly #report: (problem: string) => void;
  /** By offset: the entry there, and who said so. */
  readonly #entries = new Map<number, { fingerprint: Fingerprint; source: string }>();

  constructor(report: (problem: string) => void) {
    this.#report = report;
  }

  learn(operations: readonly Operation[]): void {
    for (const operation of operations) {
      const { session } = operation;
      if (operation.type === 'read') {
        for (const entry of operation.entries) this.#add(entry, `a read of ${session}`);
      }
      if (operation.type !== 'append' || operation.outcome.type !== 'acknowledged') continue;
      for (const [index, offset] of operation.outcome.offsets.entries()) {
        const fingerprint = operation.entries[index] ?? '';
        this.#add({ offset, fingerprint }, `an acknowledgement to ${session}`);
      }
    }
  }

  compare(id: string, batches: readonly FinalBatch[]): void {
    for (const { entries } of batches) for (const entry of entries) this.#add(entry, id);
  }

  #add({ offset, fingerprint }: FoundEntry, source: string): void {
    const known = this.#entries.get(offset);
    if (known === undefined) this.#entries.set(offset, { fingerprint, source });
    else if (known.fingerprint !== fingerprint) {
      this.#report(
        `at ${offset}: ${known.fingerprint} by ${known.source}, ${fingerprint} by ${source}`,
      );
    }
  }
}
