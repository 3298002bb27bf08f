import fc from 'fast-check';
import { isDeepStrictEqual } from 'node:util';
import { crc32 } from 'node:zlib';
import type { Test } from 'tap';
import t from 'tap';
import type { Batch, BatchKind } from '../../proto/batch.js';
import {
  batchEnd,
  batchKinds,
  buildBatch,
  decodeBatch,
  decodeHeader,
  genesisChain,
  nextChain,
} from '../../proto/batch.js';
import { bodyChecksum } from '../../proto/checksum.js';
import { encodeEntries } from '../../proto/entries.js';
import { batchEntriesMax, bodyBytesMax, headerBytes } from '../../proto/limits.js';
import type { BatchVector } from '../project/vectors.js';
import { batchVectors, bytesOf } from '../project/vectors.js';

const chainAt = 68;
const checksumAt = 92;
const hex = (bytes: number): fc.Arbitrary<string> =>
  fc
    .uint8Array({ minLength: bytes, maxLength: bytes })
    .map((array) => Buffer.from(array).toString('hex'));

const anyBatch = fc
  .record({
    kind: fc.constantFrom(...(Object.keys(batchKinds) as BatchKind[])),
    offset: fc.maxSafeNat(),
    term: fc.maxSafeNat(),
    timeMs: fc.maxSafeNat(),
    producer: hex(8),
    epoch: fc.maxSafeNat(),
    sequence: fc.maxSafeNat(),
    entries: fc.array(fc.uint8Array({ maxLength: 100 }), { maxLength: 8 }),
    previousChain: hex(16),
  })
  .map(({ entries, previousChain, ...fields }) => {
    const body = encodeEntries(entries);
    const counted = { entryCount: entries.length, bodyChecksum: bodyChecksum(body) };
    return buildBatch({ ...fields, ...counted }, body, previousChain);
  });

const bytesOfBatch = (batch: Batch): Buffer => Buffer.concat([batch.headerBytes, batch.body]);

/** Gives a changed header the checksum that its writer would have given it. */
function sealed(bytes: Buffer): Buffer {
  bytes.writeUInt32LE(crc32(bytes.subarray(0, checksumAt)), checksumAt);
  return bytes;
}

function flip(bytes: Buffer, bit: number): void {
  const at = bit >> 3;
  bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << (bit & 7)), at);
}

/** Views share the memory of what they were read from, so nothing was allocated for a claim. */
function liesWithin(batch: Batch, bytes: Buffer): boolean {
  return [batch.headerBytes, batch.body].every(
    (part) =>
      part.buffer === bytes.buffer &&
      part.byteOffset >= bytes.byteOffset &&
      part.byteOffset + part.length <= bytes.byteOffset + bytes.length,
  );
}

function changed(change: (header: Buffer) => void): Buffer {
  const first = batchVectors.log[0];
  if (first === undefined) throw new Error('no vectors');
  const header = bytesOf(first.bytes).subarray(0, headerBytes);
  change(header);
  return sealed(header);
}

function checkVector(t: Test, vector: BatchVector, previousChain: string): void {
  const { header, entries, bytes } = vector;
  const { chain, bodyBytes, ...fields } = header;
  const built = buildBatch(fields, encodeEntries(entries.map(bytesOf)), previousChain);
  t.equal(bytesOfBatch(built).toString('hex'), bytes, `${header.kind}: the same bytes`);
  t.same(built.header, { ...fields, bodyBytes, chain });
  const decoded = decodeBatch(bytesOf(bytes));
  t.same(decoded.ok && decoded.batch.header, header, `${header.kind}: the same header`);
}

t.test('vectors: batches of each kind become these bytes and come back from them', async (t) => {
  t.equal(genesisChain(batchVectors.clusterId), batchVectors.genesisChain);
  const kinds = new Set(batchVectors.log.map(({ header }) => header.kind));
  t.same(kinds, new Set(Object.keys(batchKinds)), 'every kind is there');
  let previousChain = batchVectors.genesisChain;
  let end = 0;
  for (const vector of batchVectors.log) {
    t.equal(vector.header.offset, end, 'the batches lie one behind the other');
    checkVector(t, vector, previousChain);
    previousChain = vector.header.chain;
    end = batchEnd(vector.header);
  }
  checkVector(t, batchVectors.largest, batchVectors.largest.previousChain);
});

t.test('vectors: every flipped bit is noticed', async (t) => {
  for (const vector of batchVectors.log) {
    const bytes = bytesOf(vector.bytes);
    const unnoticed: number[] = [];
    for (let bit = 0; bit < 8 * bytes.length; bit += 1) {
      flip(bytes, bit);
      if (decodeBatch(bytes).ok) unnoticed.push(bit);
      flip(bytes, bit);
    }
    t.same(unnoticed, [], vector.header.kind);
    t.ok(decodeBatch(bytes).ok, 'and it was whole before and after');
  }
});

t.test('any batch comes out as it went in, wherever it lies', async () => {
  fc.assert(
    fc.property(anyBatch, fc.nat(70), (batch, at) => {
      const around = Buffer.concat([Buffer.alloc(at, 0xa5), bytesOfBatch(batch), Buffer.alloc(9)]);
      const decoded = decodeBatch(around, at);
      if (!decoded.ok) return false;
      return (
        isDeepStrictEqual(decoded.batch.header, batch.header) &&
        decoded.batch.headerBytes.equals(batch.headerBytes) &&
        decoded.batch.body.equals(batch.body)
      );
    }),
  );
});

t.test('a flipped bit is noticed, in the header and in the body', async () => {
  fc.assert(
    fc.property(anyBatch, fc.nat(), (batch, seed) => {
      const bytes = bytesOfBatch(batch);
      flip(bytes, seed % (8 * bytes.length));
      return !decodeBatch(bytes).ok;
    }),
    { numRuns: 500 },
  );
});

t.test('a batch that is cut anywhere is noticed', async () => {
  fc.assert(
    fc.property(anyBatch, (batch) => {
      const bytes = bytesOfBatch(batch);
      for (let length = 0; length < bytes.length; length += 1) {
        if (decodeBatch(bytes.subarray(0, length)).ok) return false;
      }
      return decodeBatch(bytes).ok;
    }),
  );
});

t.test('the chain depends on the cluster, the predecessor, the header and the body', async (t) => {
  t.not(genesisChain('a'), genesisChain('b'));
  fc.assert(
    fc.property(anyBatch, fc.nat(), hex(16), (batch, seed, previous) => {
      const bytes = bytesOfBatch(batch);
      const at = 32;
      const around = Buffer.concat([Buffer.alloc(at), bytes]);
      const chain = nextChain(previous, bytes);
      if (nextChain(previous, around, at) !== chain || !/^[0-9a-f]{32}$/.test(chain)) return false;
      // The last four bytes in front of the chain value are the body's checksum.
      flip(bytes, seed % (8 * chainAt));
      if (nextChain(previous, bytes) === chain) return false;
      const other = Buffer.from(previous, 'hex');
      flip(other, seed % 128);
      return nextChain(other.toString('hex'), bytes) !== nextChain(previous, bytes);
    }),
  );
});

t.test('no bytes make the decoder throw or return what is not in them', async () => {
  const startsLikeABatch = fc
    .tuple(fc.uint8Array({ maxLength: 200 }), fc.boolean())
    .map(([array, withMagic]) => {
      const bytes = Buffer.from(array);
      if (withMagic) bytes.write('LLog', 'latin1');
      return bytes;
    });
  fc.assert(
    fc.property(startsLikeABatch, fc.integer({ min: -300, max: 300 }), (bytes, at) => {
      const decoded = decodeBatch(bytes, at);
      return decoded.ok ? liesWithin(decoded.batch, bytes) : decoded.reason !== '';
    }),
    { numRuns: 1_000 },
  );
});

t.test('a hostile header with a right checksum claims nothing beyond the limits', async () => {
  const fields = fc.uint8Array({ minLength: headerBytes, maxLength: headerBytes });
  const lengths = fc.oneof(fc.nat(300), fc.integer({ min: 0, max: 2 ** 32 - 1 }));
  const small = fc.constantFrom(0, 1, 0x1f, 0x20, 0xff);
  fc.assert(
    fc.property(fields, lengths, lengths, small, (array, bodyBytes, entryCount, high) => {
      const header = Buffer.from(array);
      header.write('LLog', 'latin1');
      header.writeUInt16LE(1, 4);
      header.writeUInt16LE(1 + (bodyBytes % 4), 6);
      header.writeUInt32LE(bodyBytes, 32);
      header.writeUInt32LE(entryCount, 36);
      for (const at of [8, 16, 24, 48, 56]) header.writeUInt16LE(high, at + 6);
      header.fill(0, chainAt + 16, checksumAt);
      const bytes = Buffer.concat([sealed(header), Buffer.alloc(200)]);
      const decoded = decodeHeader(bytes);
      if (!decoded.ok) return true;
      const { header: claimed } = decoded;
      const integers = [claimed.offset, claimed.term, claimed.timeMs, claimed.epoch];
      const whole = decodeBatch(bytes);
      return (
        claimed.bodyBytes <= bodyBytesMax &&
        claimed.entryCount <= batchEntriesMax &&
        [...integers, claimed.sequence].every(Number.isSafeInteger) &&
        (!whole.ok || liesWithin(whole.batch, bytes))
      );
    }),
    { numRuns: 1_000 },
  );
});

t.test('what a header may not say is refused with its reason', async (t) => {
  const cases: [string, (header: Buffer) => void, RegExp][] = [
    ['another magic', (header) => header.write('LLoG', 'latin1'), /no batch begins here/],
    ['a later version', (header) => header.writeUInt16LE(2, 4), /unknown format version 2/],
    ['no kind', (header) => header.writeUInt8(0, 6), /unknown batch kind 0/],
    ['a later kind', (header) => header.writeUInt8(6, 6), /unknown batch kind 6/],
    ['a flag', (header) => header.writeUInt8(1, 7), /reserved/],
    ['something reserved', (header) => header.writeUInt8(1, 91), /reserved/],
    ['a long body', (header) => header.writeUInt32LE(bodyBytesMax + 1, 32), /longer than any/],
    ['many entries', (header) => header.writeUInt32LE(batchEntriesMax + 1, 36), /more entries/],
    ...[8, 16, 24, 48, 56].map((at): [string, (header: Buffer) => void, RegExp] => [
      `2^53 at byte ${at}`,
      (header) => header.writeBigUInt64LE(2n ** 53n, at),
      /a number is too large/,
    ]),
  ];
  for (const [name, change, reason] of cases) {
    t.match(decodeHeader(changed(change)), { ok: false, reason }, name);
  }
  t.ok(decodeHeader(changed(() => {})).ok, 'and unchanged it is right');
});

t.test('a number that is no offset is never written', async (t) => {
  const fields = batchVectors.log[0]?.header;
  if (fields === undefined) throw new Error('no vectors');
  for (const wrong of [-1, 0.5, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY]) {
    for (const name of ['offset', 'term', 'timeMs', 'epoch', 'sequence']) {
      const build = (): Batch =>
        buildBatch({ ...fields, [name]: wrong }, Buffer.alloc(0), batchVectors.genesisChain);
      t.throws(build, RangeError, `${name} ${wrong}`);
    }
  }
});
