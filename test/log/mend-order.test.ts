/** Whom a repair believes where one value alone speaks against it, and what a power cut leaves. */
import t from 'tap';
import type { Batch } from '../../proto/batch.js';
import { batchEnd } from '../../proto/batch.js';
import { headerBytes } from '../../proto/limits.js';
import { Fill } from '../../server/log/fill.js';
import { positionOf, sectorBytes } from '../../server/log/segment.js';
import { atEveryCrash } from './crash-points.js';
import { clusterId } from './log-fixture.js';
import type { SomeLog } from './mend-fixture.js';
import {
  baseOf,
  becomesWhole,
  bytesHeld,
  copyOf,
  forged,
  mendedLog,
  openMended,
  pathOf,
  someLog,
  TestDonor,
  write,
} from './mend-fixture.js';

/** The log of a node that has one batch of the same length with other bytes, and no more. */
function upToAnother({ batches: { all } }: SomeLog, index: number): Batch[] {
  const batch = all[index];
  if (batch === undefined) throw new Error('there are so many');
  return [...all.slice(0, index), forged(batch, all[index - 1])];
}

t.test('a batch that ends where another is known to end is not written', async (t) => {
  const log = await someLog(40, 2500);
  const { all } = log.batches;
  const lastOfSegment = all.findIndex(({ header }) => batchEnd(header) === log.bases[1]);
  const places = [
    { what: 'its header says so', index: 12, flipped: headerBytes + 1 },
    { what: 'the next segment says so', index: lastOfSegment, flipped: 10 },
  ];
  for (const { what, index, flipped } of places) {
    const offset = all[index]?.header.offset ?? 0;
    const base = baseOf(log, offset);
    const rotten = log.disk.crash();
    rotten.flipBit(pathOf(base), positionOf(base, offset) + flipped);
    const before = rotten.contentOf(pathOf(base));
    const lie = upToAnother(log, index);
    t.match(await openMended(rotten, new TestDonor(lie)), { type: 'unproven' }, what);
    t.ok(rotten.contentOf(pathOf(base)).equals(before), `${what}: nothing is written`);
    const opening = await openMended(rotten, new TestDonor(lie, all));
    if (opening.type !== 'opened') return t.fail(what);
    t.ok((await bytesHeld(opening.opened)).equals(log.batches.bytes), what);
  }
});

t.test('a power cut does not make rot look like a torn write', async (t) => {
  const log = await someLog(8, 2500);
  t.equal(log.bases.length, 1, 'only the last segment can be torn');
  const large = log.batches.all.findIndex(({ body }) => body.length > 3 * sectorBytes);
  const { header } = log.batches.all[large] ?? {};
  if (header === undefined || large === 7) return t.fail('something stands behind a large batch');
  const base = baseOf(log, header.offset);
  const position = positionOf(base, header.offset);
  const bodyAt = position + headerBytes;
  const [from, to] = [Math.ceil(bodyAt / sectorBytes) * sectorBytes, bodyAt + header.bodyBytes];
  const prepare = async () => {
    const rotten = log.disk.crash();
    rotten.flipBit(pathOf(base), position + 10);
    // Its body was lost, so that the pattern from before is there again.
    const pattern = Buffer.concat(new Fill(clusterId, base).parts(from, to));
    await write(rotten, pathOf(base), pattern, from);
    return rotten.crash();
  };
  const crashes = await atEveryCrash(
    prepare,
    async (disk) => (await mendedLog(disk, copyOf(log))).log.close(),
    (survivor) => becomesWhole(t, log, survivor),
  );
  t.ok(crashes > 10, `${crashes} crashes`);
});

t.test('a segment that was made again outlives a power cut when no copy is left', async (t) => {
  const log = await someLog(34, 2500);
  const [, second = 0] = log.bases;
  const rotten = log.disk.crash();
  await rotten.remove(pathOf(second));
  await rotten.syncDirectory('/data/log');
  await (await mendedLog(rotten, copyOf(log))).log.close();
  for (let seed = 1; seed <= 8; seed += 1) {
    const again = await openMended(rotten.crash(seed), new TestDonor());
    if (again.type !== 'opened') return t.fail(`seed ${seed}: ${again.type}`);
    t.ok((await bytesHeld(again.opened)).equals(log.batches.bytes), `seed ${seed}`);
  }
});
