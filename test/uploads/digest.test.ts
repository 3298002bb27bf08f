import { createDecipheriv } from 'node:crypto';
import fc from 'fast-check';
import t from 'tap';
import { digestMatches, digestOf, newDigestKey } from '../../server/uploads/digest.js';
import { seededRandom } from '../log/seeded-random.js';

const key = newDigestKey(seededRandom(1));
const body = Buffer.from('a body of one entry or more');

t.test('a digest is the GMAC of the published test vector', (t) => {
  // The Galois/Counter Mode of Operation (McGrew, Viega), appendix B, test case 1.
  const digest = digestOf(Buffer.alloc(16), 0, Buffer.alloc(0));
  t.equal(digest.toString('hex'), '58e2fccefa7e3061367f1d57a4e7455a');
  t.end();
});

t.test('the offset is the nonce, little-endian', (t) => {
  const nonce = Buffer.from('efcdab896745030000000000', 'hex');
  const verifier = createDecipheriv('aes-128-gcm', key, nonce).setAAD(body);
  verifier.setAuthTag(digestOf(key, 0x03456789abcdef, body));
  t.doesNotThrow(() => verifier.final());
  t.end();
});

t.test('only the body, at its offset, under its key has the digest', (t) => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 1, maxLength: 2000 }),
      fc.nat(),
      fc.nat({ max: 2 ** 53 - 1 }),
      (bytes, position, offset) => {
        const original = Buffer.from(bytes);
        const digest = digestOf(key, offset, original);
        const other = Buffer.from(bytes);
        const at = position % other.length;
        other.writeUInt8(other.readUInt8(at) ^ 1, at);
        const otherKey = newDigestKey(seededRandom(2));
        return (
          digestMatches(key, offset, original, digest) &&
          !digestMatches(key, offset, other, digest) &&
          !digestMatches(key, offset, original.subarray(1), digest) &&
          !digestMatches(key, offset === 0 ? 1 : offset - 1, original, digest) &&
          !digestMatches(otherKey, offset, original, digest)
        );
      },
    ),
  );
  t.end();
});

t.test('what is no digest matches nothing', (t) => {
  const digest = digestOf(key, 96, body);
  for (const wrong of [Buffer.alloc(0), digest.subarray(0, 15), Buffer.concat([digest, digest])]) {
    t.notOk(digestMatches(key, 96, body, wrong));
  }
  t.throws(() => digestOf(key, -1, body), { code: 'INTERNAL' });
  t.throws(() => digestOf(key, 2 ** 53, body), { code: 'INTERNAL' });
  t.end();
});
