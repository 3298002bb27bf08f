import t from 'tap';
import { batchEnd } from '../../proto/batch.js';
import { saveCheckpoint } from '../../server/log/checkpoint.js';
import { Fill } from '../../server/log/fill.js';
import { HardState } from '../../server/log/hard-state.js';
import { createIdentity } from '../../server/log/identity.js';
import { positionOf, segmentName } from '../../server/log/segment.js';
import { TruncationRecord } from '../../server/log/truncation-record.js';
import { verifyDirectory } from '../../server/log/verify.js';
import { Batches, directory, openLog } from './log-fixture.js';
import { MemoryDisk } from './memory-disk.js';

const segmentBytesMax = 16 * 1024;

/** The data directory of a node that was closed in order. */
async function someNode() {
  const disk = new MemoryDisk();
  await disk.makeDirectory(directory);
  await (await HardState.create(disk, directory, { term: 0, vote: null, admitted: 1 })).close();
  const plan = { name: 'test', members: ['n1'], nodeId: 'n1', segmentBytesMax, incarnation: 1 };
  const { clusterId } = await createIdentity(disk, directory, plan);
  const batches = new Batches(1, clusterId);
  const options = { clusterId, segmentBytesMax, fillAheadBytes: 8192 };
  const { log } = await openLog(disk, options, batches.place);
  log.append(batches.many(60, 2000));
  await log.close();
  const names = await disk.list(`${directory}/log`);
  const segments = names.filter((name) => name.endsWith('.segment'));
  return { disk, batches, clusterId, segments, bases: segments.map((name) => parseInt(name, 10)) };
}

t.test('a directory without a fault is told in numbers', async (t) => {
  const { disk, batches, clusterId, segments } = await someNode();
  const before = disk.writes;
  const progress: [number, number][] = [];
  const report = await verifyDirectory(disk, directory, (done, total) => {
    progress.push([done, total]);
  });
  t.same(report, {
    ok: true,
    clusterId,
    nodeId: 'n1',
    segments: segments.length,
    bytes: batches.endOffset,
    batches: 60,
    entries: 60,
    endOffset: batches.endOffset,
    chain: batches.chain,
    problems: [],
    notes: [],
  });
  t.equal(progress.length, segments.length);
  const [done, total] = progress.at(-1) ?? [];
  t.equal(done, total);
  t.equal(disk.writes, before, 'nothing is written');
});

t.test('every problem is named, and what follows it is checked all the same', async (t) => {
  const { disk, batches, bases, segments } = await someNode();
  const damaged = [batches.all[2], batches.all[40]].map((batch) => batch?.header.offset ?? 0);
  for (const offset of damaged) {
    const base = bases.findLast((candidate) => candidate <= offset) ?? 0;
    disk.flipBit(`${directory}/log/${segmentName(base)}`, positionOf(base, offset + 100));
  }
  const report = await verifyDirectory(disk, directory);
  t.notOk(report.ok);
  t.match(
    report.problems,
    damaged.map((offset) => ({
      file: `log/${segmentName(bases.findLast((base) => base <= offset) ?? 0)}`,
      offset,
      reason: "the body's checksum is wrong",
    })),
  );
  t.equal(report.problems.length, 2);
  t.equal(report.segments, segments.length);
  t.equal(report.endOffset, batches.endOffset);
});

t.test('any bit that turned over is a problem', async (t) => {
  const { disk, batches, bases } = await someNode();
  const headerPositions = [0, 5, 30, 70, 3000];
  for (const base of bases) {
    const path = `${directory}/log/${segmentName(base)}`;
    const last = positionOf(base, bases.find((other) => other > base) ?? batches.endOffset) - 1;
    for (const position of [...headerPositions, 4096, 4200, last >> 1, last]) {
      const rotten = disk.crash();
      rotten.flipBit(path, position, position % 8);
      const report = await verifyDirectory(rotten, directory);
      t.notOk(report.ok, `${path} at ${position}`);
      t.equal(report.problems[0]?.file, `log/${segmentName(base)}`);
    }
  }
});

t.test('a missing or foreign segment is a problem', async (t) => {
  const { disk, bases } = await someNode();
  const [, second = 0] = bases;
  const missing = disk.crash();
  await missing.remove(`${directory}/log/${segmentName(second)}`);
  t.match((await verifyDirectory(missing, directory)).problems[0], {
    reason: `the next segment begins at offset ${bases[2]}`,
  });
  const foreign = disk.crash();
  const other = await openLog(new MemoryDisk(), { segmentBytesMax });
  await other.log.close();
  await foreign.remove(`${directory}/identity`);
  const plan = { name: 'other', members: ['n1'], nodeId: 'n1', segmentBytesMax, incarnation: 1 };
  await createIdentity(foreign, directory, plan);
  t.match(
    (await verifyDirectory(foreign, directory)).problems[0]?.reason,
    /belongs to the cluster/,
  );
});

t.test('a torn tail is a note', async (t) => {
  const { disk, batches, clusterId, bases } = await someNode();
  const base = bases.at(-1) ?? 0;
  const last = batches.all.at(-1);
  const end = positionOf(base, batchEnd(last?.header ?? batches.next(1).header));
  const sector = end - 100 - ((end - 100) % 512);
  const file = await disk.open(`${directory}/log/${segmentName(base)}`, 'write');
  await file.write(new Fill(clusterId, base).parts(sector, sector + 512), sector);
  await file.close();
  const report = await verifyDirectory(disk, directory);
  t.ok(report.ok);
  t.equal(report.endOffset, last?.header.offset);
  t.match(report.notes, [new RegExp(`offset ${last?.header.offset}`)]);
});

t.test(
  'a truncation that has begun is a note, and what it cuts off is not looked at',
  async (t) => {
    const { disk, batches, bases } = await someNode();
    const offset = batches.all[20]?.header.offset ?? 0;
    const record = await TruncationRecord.open(disk, directory);
    await record.write({ offset, endOffset: batches.endOffset });
    await record.close();
    disk.flipBit(`${directory}/log/${segmentName(bases.at(-1) ?? 0)}`, 5000);
    const report = await verifyDirectory(disk, directory);
    t.same(report.problems, []);
    t.equal(report.endOffset, offset);
    t.match(report.notes, [/being cut back/]);
  },
);

t.test('rot in one copy of the identity, or of term and vote, is no problem', async (t) => {
  const { disk } = await someNode();
  for (const name of ['identity', 'hard-state']) {
    for (const position of [0, 4096]) {
      const damaged = disk.crash();
      damaged.flipBit(`${directory}/${name}`, position);
      const before = damaged.contentOf(`${directory}/${name}`);
      t.ok((await verifyDirectory(damaged, directory)).ok, name);
      t.ok(damaged.contentOf(`${directory}/${name}`).equals(before), 'and nothing is written');
    }
  }
});

t.test('a missing or damaged identity, or damaged term and vote, is a problem', async (t) => {
  const { disk } = await someNode();
  for (const name of ['identity', 'hard-state']) {
    const damaged = disk.crash();
    for (const position of [0, 4096]) damaged.flipBit(`${directory}/${name}`, position);
    t.match((await verifyDirectory(damaged, directory)).problems, [{ file: name }]);
  }
  const stranger = disk.crash();
  await stranger.remove(`${directory}/identity`);
  const report = await verifyDirectory(stranger, directory);
  t.match(report, { ok: false, clusterId: null, nodeId: null, problems: [{ file: 'identity' }] });
});

t.test('a verification can be cancelled', async (t) => {
  const { disk } = await someNode();
  const signal = AbortSignal.abort(new Error('enough'));
  await t.rejects(
    verifyDirectory(disk, directory, () => {}, signal),
    { code: 'CANCELLED' },
  );
});

t.test('a log that ends before what a checkpoint knows of is incomplete', async (t) => {
  const { disk, batches, bases } = await someNode();
  await saveCheckpoint(disk, directory, batches.endOffset, { anything: 'known' });
  t.ok((await verifyDirectory(disk, directory)).ok);
  await disk.remove(`${directory}/log/${segmentName(bases.at(-1) ?? 0)}`);
  const report = await verifyDirectory(disk, directory);
  t.notOk(report.ok);
  t.match(report.problems, [{ file: 'log', reason: String(batches.endOffset) }]);
});
