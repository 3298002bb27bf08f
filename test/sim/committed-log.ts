/** The one log that is committed, as far as a node has ever said so. */
import type { Stored } from './stored-log.js';
import { StoredLog } from './stored-log.js';

export class CommittedLog extends StoredLog {
  readonly #report: (problem: string) => void;
  /** Where each producer's epoch and sequence was committed. */
  readonly #identities = new Map<string, number>();

  constructor(report: (problem: string) => void) {
    super();
    this.#report = report;
  }

  holds(batch: Stored): boolean {
    const found = this.upTo(batch.end);
    return found?.end === batch.end && found.chain === batch.chain;
  }

  lastBeforeTerm(term: number): Stored | undefined {
    for (let i = this.batches.length - 1; i >= 0; i -= 1) {
      const batch = this.batches[i];
      if (batch !== undefined && batch.term < term) return batch;
    }
    return undefined;
  }

  /** Takes what a disk holds up to `offset` behind what was committed. */
  extend(log: StoredLog, offset: number): void {
    const { last } = this;
    if (last !== undefined && log.upTo(last.end)?.chain !== last.chain) {
      this.#report(`what was committed up to ${last.end} has changed`);
    }
    for (const batch of log.behind(this.end)) {
      if (batch.end > offset) return;
      this.batches.push(batch);
      this.#noteIdentity(batch);
    }
  }

  #noteIdentity({ identity, offset }: Stored): void {
    if (identity === null) return;
    const known = this.#identities.get(identity);
    if (known !== undefined) this.#report(`${identity} is committed at ${known} and ${offset}`);
    this.#identities.set(identity, offset);
  }
}
