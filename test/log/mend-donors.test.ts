import t from 'tap';
import type { Batch } from '../../proto/batch.js';
import { batchEnd, buildBatch } from '../../proto/batch.js';
import { bodyChecksum } from '../../proto/checksum.js';
import { LogLogError } from '../../proto/errors.js';
import { keptBytesMax } from '../../server/log/proof.js';
import { positionOf } from '../../server/log/segment.js';
import { Batches, openLog } from './log-fixture.js';
import { MemoryDisk } from './memory-disk.js';
import type { SomeLog } from './mend-fixture.js';
import {
  baseOf,
  bytesHeld,
  differences,
  forged,
  mendedLog,
  openMended,
  pathOf,
  someLog,
  TestDonor,
  truncate,
  write,
} from './mend-fixture.js';

function spoil(log: SomeLog, rotten: MemoryDisk, batches: readonly Batch[]): void {
  for (const { header } of batches) {
    const base = baseOf(log, header.offset);
    rotten.flipBit(pathOf(base), positionOf(base, header.offset) + 10);
  }
}

/** The log as one has it that from `count` batches on has heard another leader. */
function otherSuffix(log: SomeLog, count: number): Batch[] {
  const batches = Batches.of(log.batches.bytes);
  batches.truncate(log.batches.all[count]?.header.offset ?? 0);
  batches.many(40, 2500);
  return batches.all;
}

t.test('what a source says that this disk refutes is not written', async (t) => {
  const log = await someLog(40, 2500);
  const { all } = log.batches;
  const lies: Readonly<Record<string, readonly Batch[]>> = {
    'other bytes': all.map((batch, i) => forged(batch, all[i - 1])),
    'other bytes once': all.map((batch, i) => (i === 12 ? forged(batch, all[i - 1]) : batch)),
    'another suffix': otherSuffix(log, 12),
    'another log': new Batches(9).many(60, 2500),
    'bad checksums': all.map((batch) => ({ ...batch, body: Buffer.alloc(batch.body.length) })),
    nothing: [],
  };
  for (const [what, lie] of Object.entries(lies)) {
    const rotten = log.disk.crash();
    spoil(log, rotten, all.slice(12, 15));
    const before = log.bases.map((base) => rotten.contentOf(pathOf(base)));
    const alone = await openMended(rotten, new TestDonor(lie));
    t.match(alone, { type: 'unproven', unproven: { unanswered: 0 } }, what);
    const after = log.bases.map((base) => rotten.contentOf(pathOf(base)));
    t.same(after, before, `${what}: nothing is written`);
    const withAnother = await openMended(rotten, new TestDonor(lie, [], all));
    if (withAnother.type !== 'opened') return t.fail(what);
    t.ok((await bytesHeld(withAnother.opened)).equals(log.batches.bytes), what);
    t.same(await differences(log, rotten), []);
  }
});

t.test('two sources of which each has a part that is needed are enough', async (t) => {
  const log = await someLog(40, 2500);
  const { all } = log.batches;
  const rotten = log.disk.crash();
  spoil(log, rotten, [...all.slice(3, 6), ...all.slice(20, 24)]);
  const opening = await openMended(rotten, new TestDonor(all.slice(0, 10), all.slice(15)));
  if (opening.type !== 'opened') return t.fail(opening.type);
  t.equal(opening.ranges, 2);
  t.ok((await bytesHeld(opening.opened)).equals(log.batches.bytes));
});

t.test('a source that runs out in the middle of a range proves nothing', async (t) => {
  const log = await someLog(40, 2500);
  const { all } = log.batches;
  const rotten = log.disk.crash();
  spoil(log, rotten, all.slice(3, 8));
  const opening = await openMended(rotten, new TestDonor(all.slice(0, 6)));
  t.match(opening, {
    type: 'unproven',
    unproven: { unanswered: 0, rot: { kind: 'within', offset: all[3]?.header.offset } },
  });
});

t.test('what a source has lost too is told apart from what it never had', async (t) => {
  const log = await someLog(40, 2500);
  const { all } = log.batches;
  const rotten = log.disk.crash();
  spoil(log, rotten, all.slice(3, 5));
  const lost = await openMended(rotten, new TestDonor([], 'lost'));
  const doubt = { unanswered: 0, lostElsewhere: 1 };
  t.match(lost, { type: 'unproven', unproven: doubt });
  const never = await openMended(rotten, new TestDonor([], []));
  t.match(never, { type: 'unproven', unproven: { ...doubt, lostElsewhere: 0 } });
  const both = await openMended(rotten, new TestDonor('lost', [], 'lost'));
  t.match(both, { type: 'unproven', unproven: { ...doubt, lostElsewhere: 2 } });
  const opened = await mendedLog(rotten, new TestDonor('lost', all));
  t.ok((await bytesHeld(opened)).equals(log.batches.bytes));
});

t.test('a source that does not answer is told apart from one that knows nothing', async (t) => {
  const log = await someLog(40, 2500);
  const { all } = log.batches;
  const rotten = log.disk.crash();
  spoil(log, rotten, all.slice(3, 5));
  const silent = await openMended(rotten, new TestDonor([], 'silent', otherSuffix(log, 3)));
  t.match(silent, { type: 'unproven', unproven: { unanswered: 1 } });
  const opened = await mendedLog(rotten, new TestDonor('silent', all));
  t.ok((await bytesHeld(opened)).equals(log.batches.bytes));
});

t.test('when nobody is asked any more, mending ends', async (t) => {
  const log = await someLog(40, 2500);
  const rotten = log.disk.crash();
  spoil(log, rotten, log.batches.all.slice(3, 6));
  const stopped = new LogLogError('SHUTTING_DOWN', 'the node is shutting down');
  const donor = { batchesFrom: () => Promise.reject(stopped) };
  await t.rejects(openMended(rotten, donor), { code: 'SHUTTING_DOWN' });
});

t.test('bytes in a body that look like a batch anchor nothing', async (t) => {
  const log = await someLog(10, 1000);
  const { disk, batches } = log;
  const { all } = batches;
  const victim = all[4];
  const [base] = log.bases;
  if (victim === undefined || base === undefined) return t.fail('the log is short');
  const rotten = disk.crash();
  spoil(log, rotten, [victim]);
  // A batch that is whole and in its place, but of no history that leads here.
  const inside = victim.header.offset + 200;
  const fields = { ...victim.header, offset: inside, bodyChecksum: 0 };
  const fake = buildBatch(fields, Buffer.alloc(0), victim.header.chain);
  await write(rotten, pathOf(base), fake.headerBytes, positionOf(base, inside));
  const opened = await mendedLog(rotten, new TestDonor(all));
  t.ok((await bytesHeld(opened)).equals(batches.bytes));
  t.same(await differences(log, rotten), []);
});

t.test('what a leader has changed its mind about is not mended from others', async (t) => {
  const log = await someLog(40, 2500);
  const { all } = log.batches;
  const rotten = log.disk.crash();
  spoil(log, rotten, all.slice(36, 38));
  const others = otherSuffix(log, 35);
  const opening = await openMended(rotten, new TestDonor(others, others));
  t.match(opening, { type: 'unproven', unproven: { rot: { offset: all[36]?.header.offset } } });
});

t.test('a stretch that is longer than what is kept in memory is mended in pieces', async (t) => {
  const segmentBytesMax = 256 * 2 ** 20;
  const disk = new MemoryDisk();
  const batches = new Batches(3);
  const { log, told } = await openLog(disk, { segmentBytesMax, fillAheadBytes: 2 ** 20 });
  const body = Buffer.alloc(12 * 2 ** 20, 'much');
  for (let i = 0; i < 14; i += 1) {
    const fields = { ...batches.next(1).header, entryCount: 1, bodyChecksum: bodyChecksum(body) };
    batches.all.pop();
    const batch = buildBatch(fields, body, batches.chain);
    batches.all.push(batch);
    log.append([batch]);
    await told.durableUpTo(batches.endOffset);
  }
  await log.close();
  for (const { header } of batches.all.slice(1, 13)) {
    disk.flipBit(pathOf(0), positionOf(0, header.offset) + 10);
  }
  t.ok(body.length * 12 > 2 * keptBytesMax);
  const opening = await openMended(disk, new TestDonor(batches.all), { segmentBytesMax });
  if (opening.type !== 'opened') return t.fail(opening.type);
  t.equal(opening.ranges, 2);
  t.equal(opening.opened.log.endOffset, batches.endOffset);
  await opening.opened.log.close();
});

t.test(
  'a segment that only lost its end is not mended with what does not fit into it',
  async (t) => {
    const log = await someLog(40, 2500);
    const [first = 0, second = 0] = log.bases;
    const rotten = log.disk.crash();
    const last = log.batches.all.findLast(({ header }) => batchEnd(header) <= second);
    await truncate(rotten, pathOf(first), positionOf(first, last?.header.offset ?? 0));
    const donor = new TestDonor(otherSuffix(log, 1), log.batches.all);
    await (await mendedLog(rotten, donor)).log.close();
    t.same(await differences(log, rotten), []);
  },
);
