/**
 * The digest in a reference: AES-128-GMAC of the body under a key that the leader draws for its
 * term and tells its peers only, so that a client cannot make two bodies of one digest. (NIST SP
 * 800-38D; the body is authenticated data, nothing is encrypted.)
 *
 * One key and offset may authenticate one body only: two digests of different bodies under the
 * same nonce give the key away. A leader never writes two batches at one offset in one term.
 */
import { createCipheriv, timingSafeEqual } from 'node:crypto';
import type { RandomSource } from '../../proto/clock.js';
import { assert } from '../../proto/errors.js';

export const digestBytes = 16;
export const digestKeyBytes = 16;
const nonceBytes = 12;

export function newDigestKey(random: RandomSource): Buffer {
  return random.bytes(digestKeyBytes);
}

/** 16 bytes. `offset` is that of the batch: 8 bytes, little-endian, of the nonce; the rest is 0. */
export function digestOf(key: Buffer, offset: number, body: Buffer): Buffer {
  assert(Number.isSafeInteger(offset) && offset >= 0, 'a digest belongs to an offset');
  const nonce = Buffer.alloc(nonceBytes);
  nonce.writeBigUInt64LE(BigInt(offset));
  const cipher = createCipheriv('aes-128-gcm', key, nonce);
  cipher.setAAD(body);
  cipher.final();
  return cipher.getAuthTag();
}

export function digestMatches(key: Buffer, offset: number, body: Buffer, digest: Buffer): boolean {
  return digest.length === digestBytes && timingSafeEqual(digestOf(key, offset, body), digest);
}
