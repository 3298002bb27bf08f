/**
 * Entries of one size that can be checked without being kept: a counter, and random bytes that
 * are the same in all entries of a run and tell them from those of others.
 */
import { randomBytes } from 'node:crypto';

/** Enough to count 2^48 entries. Smaller entries are all counter, which then begins again. */
const counterBytesMax = 6;

export class Payload {
  readonly entryBytes: number;
  /** Counters are below. */
  readonly modulus: number;
  readonly #counterBytes: number;
  readonly #pattern: Buffer;

  constructor(entryBytes: number) {
    this.entryBytes = entryBytes;
    this.#counterBytes = Math.min(entryBytes, counterBytesMax);
    this.modulus = 2 ** (8 * this.#counterBytes);
    this.#pattern = randomBytes(entryBytes);
  }

  /** A buffer to stamp, again and again. */
  entry(): Buffer {
    return Buffer.from(this.#pattern);
  }

  stamp(entry: Buffer, sequence: number): void {
    entry.writeUIntLE(sequence % this.modulus, 0, this.#counterBytes);
  }

  /** The counter of an entry; undefined if its other bytes are not those of this run. */
  counterOf(entry: Buffer): number | undefined {
    if (entry.length !== this.entryBytes) return undefined;
    const from = this.#counterBytes;
    const { entryBytes } = this;
    if (entry.compare(this.#pattern, from, entryBytes, from, entryBytes) !== 0) return undefined;
    return entry.readUIntLE(0, from);
  }
}
