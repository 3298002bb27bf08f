/**
 * What was appended and where the log said that it is, in constant memory, to be compared with
 * what the log holds. One producer appends it all, so that it lies there in the order of the calls.
 */
import type { Entry, Position } from '../../index.js';
import type { Payload } from './payload.js';

/** What reading back has found. */
export interface Comparison {
  /** Entries, all acknowledged, those of the warm-up too. */
  readonly appended: number;
  readonly found: number;
  /** How often an entry was not the successor of the one before it. */
  readonly breaks: number;
  /** Whether every offset that was asked for is the one where its entry lies. */
  readonly offsetsAgree: boolean;
  /** There is no difference. */
  readonly ok: boolean;
}

/** Sums over counters and offsets, the same in whatever order they come. */
class Fingerprint {
  #low = 0;
  #high = 0;

  add(counter: number, offset: number): void {
    const mixed = mix(mix(mix(mix(0, counter), counter / 2 ** 32), offset), offset / 2 ** 32);
    this.#low = (this.#low + mixed) | 0;
    this.#high = (this.#high + mix(mixed, 1)) | 0;
  }

  equals(other: Fingerprint): boolean {
    return this.#low === other.#low && this.#high === other.#high;
  }
}

/** 32 bits more into a hash: a round of MurmurHash3's finalizer. */
function mix(hash: number, value: number): number {
  let bits = Math.imul(hash ^ value, 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35) + 0x9e3779b9;
  return (bits ^ (bits >>> 16)) | 0;
}

export class Ledger {
  readonly payload: Payload;
  readonly #askedEvery: number;
  readonly #promised = new Fingerprint();
  #appended = 0;
  #from = Infinity;
  #to = 0;

  /** The offset of one entry in `askedEvery`, a power of two up to 256, is asked for. */
  constructor(payload: Payload, askedEvery: number) {
    this.payload = payload;
    this.#askedEvery = askedEvery;
  }

  get appended(): number {
    return this.#appended;
  }

  /** Turns `entry` into the next one and returns its sequence. */
  next(entry: Buffer): number {
    const sequence = this.#appended;
    this.payload.stamp(entry, sequence);
    this.#appended = sequence + 1;
    return sequence;
  }

  isAsked(sequence: number): boolean {
    return sequence % this.#askedEvery === 0;
  }

  /** Once for every entry that is asked for. */
  acknowledged(sequence: number, position: Position): void {
    this.#promised.add(sequence % this.payload.modulus, position.offset);
    this.#from = Math.min(this.#from, position.offset);
    this.reaches(position);
  }

  /** The last entry may not be among those that are asked for. */
  reaches({ end }: Position): void {
    this.#to = Math.max(this.#to, end);
  }

  /** Where all of it lies. */
  get range(): { readonly from: number; readonly to: number } {
    return { from: Math.min(this.#from, this.#to), to: this.#to };
  }

  /** `entries` are those of `range`; others may lie between. `onRead` is told how far it is. */
  async compare(
    entries: AsyncIterable<Entry>,
    onRead: (offset: number) => void,
  ): Promise<Comparison> {
    const { payload } = this;
    const actual = new Fingerprint();
    let found = 0;
    let breaks = 0;
    let expected = 0;
    for await (const { offset, data } of entries) {
      const counter = payload.counterOf(data);
      if (counter === undefined) continue;
      if (counter !== expected) breaks += 1;
      expected = (counter + 1) % payload.modulus;
      if (this.isAsked(counter)) actual.add(counter, offset);
      found += 1;
      if (found % 1024 === 0) onRead(offset);
    }
    const appended = this.#appended;
    const offsetsAgree = actual.equals(this.#promised);
    const ok = found === appended && breaks === 0 && offsetsAgree;
    return { appended, found, breaks, offsetsAgree, ok };
  }
}
