import fc from 'fast-check';
import { createRequire } from 'node:module';
import { crc32 } from 'node:zlib';
import t from 'tap';
import { bodyChecksum, checksumLibrary, loadLibrary } from '../../proto/checksum.js';

const check = Buffer.from('123456789');
/** The check value of CRC-32/ISO-HDLC in the catalogue of parametrised CRC algorithms. */
const checkValue = 0xcbf43926;

t.test('is CRC-32/ISO-HDLC, whichever library computes it', async (t) => {
  const without = loadLibrary(() => {
    throw new Error('no build for this platform');
  });
  t.equal(without.name, 'node:zlib');
  const native = loadLibrary(createRequire(import.meta.url));
  for (const { checksum, name } of [without, native]) t.equal(checksum(check), checkValue, name);
});

t.test('is computed by the fast library where these tests run', async (t) => {
  t.equal(checksumLibrary.name, '@node-rs/crc32');
});

t.test('agrees with zlib for bytes of any length, anywhere in memory', async (t) => {
  const memory = Buffer.alloc(300_000, 'some bytes that do not repeat soon: 0123456789 ');
  fc.assert(
    fc.property(fc.nat(memory.length), fc.nat(memory.length), (one, other) => {
      const bytes = memory.subarray(Math.min(one, other), Math.max(one, other));
      return bodyChecksum(bytes) === crc32(bytes);
    }),
  );
  t.equal(bodyChecksum(Buffer.alloc(0)), 0);
});
