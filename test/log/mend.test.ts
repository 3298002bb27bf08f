import t from 'tap';
import type { Test } from 'tap';
import type { Batch } from '../../proto/batch.js';
import { batchEnd } from '../../proto/batch.js';
import type { Donor } from '../../server/log/proof.js';
import { fileHeaderBytes, positionOf } from '../../server/log/segment.js';
import type { MemoryDisk } from './memory-disk.js';
import type { SomeLog } from './mend-fixture.js';
import {
  baseOf,
  bytesHeld,
  copyOf,
  differences,
  openMended,
  pathOf,
  someLog,
  TestDonor,
  truncate,
  write,
} from './mend-fixture.js';
import { seededRandom } from './seeded-random.js';

type Damage = (log: SomeLog, rotten: MemoryDisk, offset: number, end: number) => Promise<void>;

/** What a disk may do to the batch from `offset` to `end`. */
const damages: Readonly<Record<string, Damage>> = {
  'a bit of a header': async (log, rotten, offset) =>
    rotten.flipBit(pathOf(baseOf(log, offset)), positionOf(baseOf(log, offset), offset) + 17, 3),
  'a bit of a body': async (log, rotten, offset, end) =>
    rotten.flipBit(pathOf(baseOf(log, offset)), positionOf(baseOf(log, offset), end) - 1, 7),
  'zeros in a sector': (log, rotten, offset) =>
    overwriteSector(log, rotten, offset, Buffer.alloc(512)),
  'a sector of elsewhere': (log, rotten, offset) => {
    const content = log.disk.contentOf(pathOf(baseOf(log, offset)));
    const inSegment = offset - baseOf(log, offset);
    const elsewhere = fileHeaderBytes + (inSegment < 1024 ? 4096 : 0);
    const sector = content.subarray(elsewhere, elsewhere + 512);
    return overwriteSector(log, rotten, offset, sector);
  },
  'the header of its segment': async (log, rotten, offset) =>
    rotten.flipBit(pathOf(baseOf(log, offset)), 70, 1),
  'the header of its segment, and of its first batch': async (log, rotten, offset) => {
    rotten.flipBit(pathOf(baseOf(log, offset)), 70, 1);
    rotten.flipBit(pathOf(baseOf(log, offset)), fileHeaderBytes + 20, 1);
  },
  'the header of another segment in its place': (log, rotten, offset) => {
    const other = log.bases.find((base) => base !== baseOf(log, offset)) ?? 0;
    const header = log.disk.contentOf(pathOf(other)).subarray(0, fileHeaderBytes);
    return write(rotten, pathOf(baseOf(log, offset)), header, 0);
  },
};

/** The sector that `offset` lies in. */
function overwriteSector(log: SomeLog, rotten: MemoryDisk, offset: number, sector: Buffer) {
  const position = positionOf(baseOf(log, offset), offset);
  return write(rotten, pathOf(baseOf(log, offset)), sector, position - (position % 512));
}

function lastOf({ batches }: SomeLog): Batch {
  const last = batches.all.at(-1);
  if (last === undefined) throw new Error('the log is empty');
  return last;
}

async function isMended(t: Test, log: SomeLog, rotten: MemoryDisk, donor: Donor, what: string) {
  const opening = await openMended(rotten, donor);
  if (opening.type !== 'opened') return t.fail(`${what}: ${opening.type}`);
  t.ok(opening.ranges > 0, `${what}: something was put right`);
  t.ok((await bytesHeld(opening.opened)).equals(log.batches.bytes), what);
  t.same(await differences(log, rotten), [], what);
}

t.test('whatever a disk does to any batch in front of the last is put right', async (t) => {
  const log = await someLog(40, 2500);
  t.ok(log.bases.length > 3);
  const last = log.batches.all.length - 1;
  for (const [what, damage] of Object.entries(damages)) {
    for (const [i, { header }] of log.batches.all.entries()) {
      if (i >= last) break;
      const rotten = log.disk.crash();
      await damage(log, rotten, header.offset, batchEnd(header));
      await isMended(t, log, rotten, copyOf(log), `${what}, batch ${i}`);
    }
  }
});

t.test('a last batch whose header is whole is put right, and one without is told', async (t) => {
  const log = await someLog(40, 2500);
  const header = lastOf(log).header;
  const position = positionOf(baseOf(log, header.offset), header.offset);
  const body = log.disk.crash();
  body.flipBit(pathOf(baseOf(log, header.offset)), position + 200);
  await isMended(t, log, body, copyOf(log), 'body');
  const without = log.disk.crash();
  without.flipBit(pathOf(baseOf(log, header.offset)), position + 20);
  const opening = await openMended(without, copyOf(log));
  t.match(opening, {
    type: 'tail',
    rot: { code: 'DATA_CORRUPT', kind: 'tail', offset: header.offset, nextBase: undefined },
  });
});

t.test('a last segment that lost its end cannot say where the log ended', async (t) => {
  const log = await someLog(40, 2500);
  const { header } = lastOf(log);
  const base = baseOf(log, header.offset);
  const disk = log.disk.crash();
  await truncate(disk, pathOf(base), positionOf(base, batchEnd(header)) - 10);
  const opening = await openMended(disk, copyOf(log));
  t.match(opening, { type: 'tail', rot: { kind: 'tail', offset: header.offset } });
});

t.test('a log that ends in front of what is committed cannot say where it ended', async (t) => {
  const log = await someLog(40, 2500);
  const last = log.bases.at(-1) ?? 0;
  const start = log.batches.place;
  const shorter = log.disk.crash();
  await shorter.remove(pathOf(last));
  t.match(await openMended(shorter, copyOf(log), { start }), {
    type: 'tail',
    rot: { offset: last },
  });
  for (const base of log.bases.slice(0, -1)) await shorter.remove(pathOf(base));
  t.match(await openMended(shorter, copyOf(log), { start }), { type: 'tail', rot: { offset: 0 } });
});

t.test('many bad places are put right in one start', async (t) => {
  const log = await someLog(60, 1500, { seed: 2 });
  const random = seededRandom(4);
  const reach = lastOf(log).header.offset;
  for (let round = 0; round < 60; round += 1) {
    const rotten = log.disk.crash();
    for (let i = 0; i <= round % 12; i += 1) {
      const offset = Math.floor(random.fraction() * reach);
      const base = baseOf(log, offset);
      if (i % 3 === 0)
        await overwriteSector(log, rotten, offset - (offset % 512), Buffer.alloc(512));
      else rotten.flipBit(pathOf(base), positionOf(base, offset), i % 8);
    }
    const opening = await openMended(rotten, copyOf(log));
    if (opening.type === 'tail') {
      t.ok(opening.rot.offset < log.batches.endOffset, 'the zeros reached the last batch');
      continue;
    }
    if (opening.type === 'unproven')
      return t.fail(`round ${round}: ${opening.unproven.rot.message}`);
    t.ok((await bytesHeld(opening.opened)).equals(log.batches.bytes));
    t.same(await differences(log, rotten), []);
  }
});

t.test('sectors that cannot be read are put right', async (t) => {
  const log = await someLog(40, 2500);
  const reach = lastOf(log).header.offset;
  for (let offset = 0; offset < reach; offset += 1511) {
    const disk = log.disk.crash();
    const base = baseOf(log, offset);
    disk.spoilSectors(pathOf(base), positionOf(base, offset), 1);
    disk.spoilSectors(pathOf(base), positionOf(base, offset) - fileHeaderBytes, 1);
    await isMended(t, log, disk, copyOf(log), `offset ${offset}`);
    const again = await openMended(disk, new TestDonor());
    t.match(again, { type: 'opened', ranges: 0 }, 'all of it can be read');
  }
});

t.test('segments that are missing, too short or too long are made whole', async (t) => {
  const log = await someLog(60, 2000);
  const { bases } = log;
  const sealed = bases.slice(0, -1);
  for (const [i, base] of sealed.entries()) {
    const missing = log.disk.crash();
    await missing.remove(pathOf(base));
    await isMended(t, log, missing, copyOf(log), `without segment ${i}`);

    const twoMissing = log.disk.crash();
    await twoMissing.remove(pathOf(base));
    const next = sealed[i + 1];
    if (next !== undefined) await twoMissing.remove(pathOf(next));
    await isMended(t, log, twoMissing, copyOf(log), `without two segments from ${i}`);

    const size = log.disk.contentOf(pathOf(base)).length;
    for (const length of [0, 100, fileHeaderBytes, fileHeaderBytes + 50, 9000, size - 1]) {
      const short = log.disk.crash();
      await truncate(short, pathOf(base), length);
      await isMended(t, log, short, copyOf(log), `segment ${i} of ${length} bytes`);
    }
    const cutBetweenBatches = log.disk.crash();
    const inside = log.batches.all.find(({ header }) => header.offset > base)?.header.offset ?? 0;
    await truncate(cutBetweenBatches, pathOf(base), positionOf(base, inside));
    if (next !== undefined) await cutBetweenBatches.remove(pathOf(next));
    await isMended(t, log, cutBetweenBatches, copyOf(log), `half of ${i}, and not the next`);
  }
  const long = log.disk.crash();
  const [first = 0] = bases;
  await write(long, pathOf(first), Buffer.alloc(700, 'LLog'), long.contentOf(pathOf(first)).length);
  const opening = await openMended(long, copyOf(log));
  t.equal(opening.type, 'opened');
  t.same(await differences(log, long), []);
});
