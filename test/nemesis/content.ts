/**
 * The bytes of entries: each is told apart from all others by its number, and says its whole
 * content, so that a reader finds out whether it has been changed without any table of contents.
 */
import { createHash } from 'node:crypto';
import type { RandomSource } from '../../proto/clock.js';
import type { Fingerprint } from '../checker/history.js';

const smallBytesMax = 250;
const largeBytesMax = 64 * 1024;
const largeShare = 0.001;

export class Contents {
  readonly #random: RandomSource;
  readonly #padding: Buffer;
  /** One string for each entry, shared by everybody who has seen it. */
  readonly #fingerprints: Fingerprint[] = [];

  constructor(random: RandomSource) {
    this.#random = random;
    this.#padding = random.bytes(2 * largeBytesMax);
  }

  /** An entry that there has never been before. */
  make(): { readonly fingerprint: Fingerprint; readonly bytes: Buffer } {
    const number = this.#fingerprints.length;
    const fingerprint = number.toString(36);
    this.#fingerprints.push(fingerprint);
    const isLarge = this.#random.fraction() < largeShare;
    const length = Math.floor(this.#random.fraction() * (isLarge ? largeBytesMax : smallBytesMax));
    return { fingerprint, bytes: this.#bytes(number, length) };
  }

  /** Of bytes that nobody made: one that no entry has. */
  fingerprintOf(bytes: Buffer): Fingerprint {
    const [, number, length] = /^(\d+) (\d+) /.exec(bytes.toString('latin1', 0, 40)) ?? [];
    const known = this.#fingerprints[Number(number)];
    if (known !== undefined && bytes.equals(this.#bytes(Number(number), Number(length)))) {
      return known;
    }
    return `?${createHash('sha256').update(bytes).digest('hex').slice(0, 16)}`;
  }

  #bytes(number: number, length: number): Buffer {
    const at = (number * 7919) % largeBytesMax;
    const bounded = Math.min(length, largeBytesMax);
    const head = Buffer.from(`${number} ${length} `, 'latin1');
    return Buffer.concat([head, this.#padding.subarray(at, at + bounded)]);
  }
}
