import fc from 'fast-check';
import t from 'tap';
import type { Batch } from '../../proto/batch.js';
import { buildBatch, noProducer } from '../../proto/batch.js';
import { bodyChecksum } from '../../proto/checksum.js';
import { checkEntries, encodeEntries, entriesOf } from '../../proto/entries.js';
import {
  batchEntriesMax,
  bodyBytesMax,
  entryBytesMax,
  entryLengthBytes,
  headerBytes,
} from '../../proto/limits.js';
import { bytesOf, entryVectors } from '../project/vectors.js';

const anyEntries = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 40 });

function batchOf(offset: number, body: Buffer, entryCount: number): Batch {
  const fields = { kind: 'data', offset, term: 1, timeMs: 1_000, producer: noProducer } as const;
  const checksum = bodyChecksum(body);
  return buildBatch(
    { ...fields, entryCount, epoch: 0, sequence: 0, bodyChecksum: checksum },
    body,
    '00'.repeat(16),
  );
}

t.test('vectors: entries become these bytes and come back from them', async (t) => {
  for (const { name, entries, body } of entryVectors.good) {
    const encoded = encodeEntries(entries.map(bytesOf));
    t.equal(encoded.toString('hex'), body, name);
    t.same(checkEntries(bytesOf(body)), { ok: true, count: entries.length }, name);
    const read = [...entriesOf(batchOf(0, bytesOf(body), entries.length))];
    t.same(
      read.map(({ data }) => data.toString('hex')),
      entries,
      name,
    );
  }
});

t.test('vectors: a body whose framing is wrong is refused', async (t) => {
  for (const { name, body } of entryVectors.bad) {
    t.match(checkEntries(bytesOf(body)), { ok: false, reason: String }, name);
  }
});

t.test('any entries come out as they went in, each at its address', async () => {
  fc.assert(
    fc.property(anyEntries, fc.nat(2 ** 40), (entries, offset) => {
      const body = encodeEntries(entries);
      const checked = checkEntries(body);
      if (!checked.ok || checked.count !== entries.length) return false;
      let address = offset + headerBytes;
      const read = [...entriesOf(batchOf(offset, body, entries.length))];
      return (
        read.length === entries.length &&
        read.every((entry, i) => {
          const expected = entries[i] ?? new Uint8Array();
          const right = entry.offset === address && entry.data.equals(expected);
          address += entryLengthBytes + expected.length;
          return right && entry.time.getTime() === 1_000;
        })
      );
    }),
  );
});

t.test('reading from any offset begins with the first entry at or behind it', async () => {
  fc.assert(
    fc.property(anyEntries, fc.nat(2_000), (entries, ahead) => {
      const batch = batchOf(5_000, encodeEntries(entries), entries.length);
      const from = 4_900 + ahead;
      const all = [...entriesOf(batch)];
      const wanted = all.filter(({ offset }) => offset >= from).map(({ offset }) => offset);
      const got = [...entriesOf(batch, from)].map(({ offset }) => offset);
      return JSON.stringify(got) === JSON.stringify(wanted);
    }),
  );
});

t.test('a body that is cut anywhere but between entries is refused', async () => {
  fc.assert(
    fc.property(anyEntries, fc.nat(), (entries, seed) => {
      const body = encodeEntries(entries);
      const length = seed % (body.length + 1);
      const boundaries = new Set([0]);
      let at = 0;
      for (const entry of entries) boundaries.add((at += entryLengthBytes + entry.length));
      return checkEntries(body.subarray(0, length)).ok === boundaries.has(length);
    }),
  );
});

t.test('no bytes make the check throw or read beyond the body', async () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(20), (bytes, behind) => {
      // What lies behind the body would complete an entry, if it were looked at.
      const memory = Buffer.alloc(bytes.length + behind, 0);
      memory.set(bytes);
      const inside = checkEntries(memory.subarray(0, bytes.length));
      return JSON.stringify(inside) === JSON.stringify(checkEntries(Buffer.from(bytes)));
    }),
  );
});

t.test('the largest entry fits into a body, one byte more is refused', async (t) => {
  const largest = encodeEntries([Buffer.alloc(entryBytesMax, 'x')]);
  t.equal(largest.length, bodyBytesMax);
  t.same(checkEntries(largest), { ok: true, count: 1 });
  t.throws(() => encodeEntries([Buffer.alloc(entryBytesMax + 1)]), RangeError);
  const claimed = Buffer.alloc(entryLengthBytes + entryBytesMax + 1);
  claimed.writeUInt32LE(entryBytesMax + 1);
  t.match(checkEntries(claimed), { ok: false, reason: /longer than an entry may be/ });
});

t.test('a batch holds so many entries and not one more', async (t) => {
  const empty = entryLengthBytes;
  t.same(checkEntries(Buffer.alloc(batchEntriesMax * empty)), { ok: true, count: batchEntriesMax });
  t.match(checkEntries(Buffer.alloc((batchEntriesMax + 1) * empty)), { ok: false });
});
