/** Collisions of CRC-32: it finds accidents, and no liars. */
import { crc32 } from 'node:zlib';
import { encodeEntries } from '../../proto/entries.js';

/** An entry like `wanted` but for its last four bytes, whose framed body has the CRC of `body`. */
export function forge(body: Buffer, wanted: Buffer): Buffer {
  const target = crc32(body);
  const attempt = Buffer.from(wanted);
  const at = attempt.length - 4;
  // CRC-32 is affine in the input: solve for the 32 bits that give the target.
  const crcOf = (tail: number): number => {
    attempt.writeUInt32LE(tail, at);
    return crc32(encodeEntries([attempt]));
  };
  const base = crcOf(0);
  const rows = Array.from({ length: 32 }, (_, bit) => {
    const tail = 2 ** bit;
    return { effect: (crcOf(tail) ^ base) >>> 0, tail };
  });
  let want = (target ^ base) >>> 0;
  let tail = 0;
  for (let bit = 31; bit >= 0; bit -= 1) {
    const mask = 2 ** bit;
    const has = (value: number) => Math.floor(value / mask) % 2 === 1;
    const pivot = rows.findIndex((row) => has(row.effect));
    const row = rows[pivot];
    if (row === undefined) throw new Error('CRC-32 is a bijection on 32 bits');
    rows.splice(pivot, 1);
    for (const other of rows) {
      if (!has(other.effect)) continue;
      other.effect = (other.effect ^ row.effect) >>> 0;
      other.tail = (other.tail ^ row.tail) >>> 0;
    }
    if (has(want)) {
      want = (want ^ row.effect) >>> 0;
      tail = (tail ^ row.tail) >>> 0;
    }
  }
  crcOf(tail);
  return attempt;
}
