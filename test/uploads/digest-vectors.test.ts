import t from 'tap';
import { digestMatches, digestOf } from '../../server/uploads/digest.js';
import { bytesOf, digestVectors } from '../project/vectors.js';

t.test('digests are those of an independent implementation', async (t) => {
  for (const { name, key, offset, body, digest } of digestVectors.digests) {
    t.equal(digestOf(bytesOf(key), offset, bytesOf(body)).toString('hex'), digest, name);
    t.ok(digestMatches(bytesOf(key), offset, bytesOf(body), bytesOf(digest)), name);
  }
});

t.test('another key, offset, body or digest does not match', async (t) => {
  const vector = digestVectors.digests.find(({ name }) => name === 'one entry');
  if (vector === undefined) throw new Error('the vector is gone');
  const [key, body, digest] = [vector.key, vector.body, vector.digest].map(bytesOf) as [
    Buffer,
    Buffer,
    Buffer,
  ];
  const changed = (bytes: Buffer): Buffer => {
    const copy = Buffer.from(bytes);
    copy.writeUInt8(copy.readUInt8(copy.length - 1) ^ 1, copy.length - 1);
    return copy;
  };
  t.notOk(digestMatches(changed(key), vector.offset, body, digest), 'key');
  t.notOk(digestMatches(key, vector.offset + 1, body, digest), 'offset');
  t.notOk(digestMatches(key, vector.offset, changed(body), digest), 'body');
  t.notOk(digestMatches(key, vector.offset, body, changed(digest)), 'digest');
  t.notOk(digestMatches(key, vector.offset, body, digest.subarray(0, 15)), 'a shorter digest');
});
