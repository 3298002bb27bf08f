import t from 'tap';
import { batchEnd } from '../../proto/batch.js';
import { Recent } from '../../server/log/recent.js';
import { Batches, bytesOf } from './log-fixture.js';
import { seededRandom } from './seeded-random.js';

/** Slabs are smaller than that, and some batches larger than a slab. */
const recentBytesMax = 600_000;
const entryBytesMax = 400_000;

t.test('memory that is used again gives the log back, and what it gave stays as it was', (t) => {
  const random = seededRandom(7);
  const pick = (below: number) => Math.floor(random.fraction() * below);
  const batches = new Batches();
  const recent = new Recent(recentBytesMax, 0);
  const given: { page: Buffer; expected: Buffer }[] = [];
  let wrong = 0;
  for (let step = 0; step < 60; step += 1) {
    if (step % 9 === 8) {
      const cutAt = batches.all.findLast(({ header }) => header.offset > recent.firstOffset);
      batches.truncate(cutAt?.header.offset ?? 0);
      recent.truncate(batches.endOffset);
    }
    const durableOffset = batches.endOffset - pick(2 * recentBytesMax);
    for (const batch of batches.many(1 + pick(3), 1 + pick(entryBytesMax))) {
      recent.append(batch, durableOffset);
    }
    recent.trim(durableOffset);
    const kept = batches.all.filter(({ header }) => header.offset >= recent.firstOffset);
    for (const batch of kept) {
      const { offset, bodyBytes } = batch.header;
      const copy = recent.batchAt(offset);
      if (copy === undefined || !bytesOf([copy]).equals(bytesOf([batch]))) wrong += 1;
      if (recent.headAt(offset)?.headerBytes.equals(batch.headerBytes) !== true) wrong += 1;
      const page = recent.pageFrom(offset + pick(bodyBytes), recentBytesMax, batches.endOffset);
      const inPage = kept.filter(
        ({ header }) => header.offset >= offset && batchEnd(header) <= (page?.next ?? 0),
      );
      if (page === undefined || !page.bytes.equals(bytesOf(inPage))) wrong += 1;
      else given.push({ page: page.bytes, expected: bytesOf(inPage) });
    }
  }
  t.equal(wrong, 0);
  t.ok(given.length > 100, `${given.length} pages`);
  t.ok(given.every(({ page, expected }) => page.equals(expected)));
  t.end();
});

t.test('what is cut in front of all that is in memory is written anew', (t) => {
  const batches = new Batches();
  batches.many(10, entryBytesMax);
  const recent = new Recent(recentBytesMax, batches.endOffset);
  for (const batch of batches.many(2, 1000)) recent.append(batch, 0);
  batches.truncate(batches.all[3]?.header.offset ?? 0);
  recent.truncate(batches.endOffset);
  t.equal(recent.firstOffset, batches.endOffset);
  const [first] = batches.many(1, entryBytesMax);
  if (first === undefined) throw new Error('there is one');
  recent.append(first, 0);
  const page = recent.pageFrom(first.header.offset, 1, batches.endOffset);
  t.ok(page?.bytes.equals(bytesOf([first])));
  t.equal(recent.batchAt(first.header.offset - 1), undefined);
  t.end();
});

t.test('memory is bounded, but for what is not durable', (t) => {
  const batches = new Batches();
  const recent = new Recent(recentBytesMax, 0);
  const arrayBuffers = () => {
    // What one collection has found is freed beside the program, and counted by the next.
    for (let i = 0; i < 2; i += 1) globalThis.gc?.();
    return process.memoryUsage().arrayBuffers;
  };
  const entry = batches.next(50_000);
  const before = arrayBuffers();
  let offset = 0;
  for (let count = 0; count < 200; count += 1) {
    recent.append({ ...entry, header: { ...entry.header, offset } }, 0);
    offset = batchEnd({ ...entry.header, offset });
  }
  t.equal(recent.firstOffset, 0, 'nothing is durable');
  recent.trim(offset);
  t.ok(offset - recent.firstOffset <= recentBytesMax);
  t.ok(arrayBuffers() - before < 3 * recentBytesMax, 'what is kept, and what is used again');
  t.end();
});
