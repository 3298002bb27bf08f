/** The one log that is committed, as far as a node has ever said so. */
import type { DiskLog, Stored } from './disk-log.js';
import { lastUpTo } from './disk-log.js';

export class CommittedLog {
  readonly #report: (problem: string) => void;
  readonly #batches: Stored[] = [];
  /** Where each producer's epoch and sequence was committed. */
  readonly #identities = new Map<string, number>();

  constructor(report: (problem: string) => void) {
    this.#report = report;
  }

  get last(): Stored | undefined {
    return this.#batches.at(-1);
  }

  get end(): number {
    return this.last?.end ?? 0;
  }

  /** The batch that ends there, or the last one that ends before. */
  upTo(offset: number): Stored | undefined {
    return lastUpTo(this.#batches, offset);
  }

  holds(batch: Stored): boolean {
    const found = this.upTo(batch.end);
    return found?.end === batch.end && found.chain === batch.chain;
  }

  lastBeforeTerm(term: number): Stored | undefined {
    for (let i = this.#batches.length - 1; i >= 0; i -= 1) {
      const batch = this.#batches[i];
      if (batch !== undefined && batch.term < term) return batch;
    }
    return undefined;
  }

  /** Takes what a disk holds up to `offset` behind what was committed. */
  extend(log: DiskLog, offset: number): void {
    const { last } = this;
    if (last !== undefined && log.upTo(last.end)?.chain !== last.chain) {
      this.#report(`what was committed up to ${last.end} has changed`);
    }
    for (const batch of log.behind(this.end)) {
      if (batch.end > offset) return;
      this.#batches.push(batch);
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
