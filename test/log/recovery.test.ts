import t from 'tap';
import { crc32 } from 'node:zlib';
import { batchEnd } from '../../proto/batch.js';
import { groupBytesMax } from '../../proto/limits.js';
import { Fill } from '../../server/log/fill.js';
import { fileHeaderBytes, positionOf, segmentName } from '../../server/log/segment.js';
import {
  Batches,
  bytesOf,
  clusterId,
  directory,
  genesis,
  openLog,
  readAll,
} from './log-fixture.js';
import { MemoryDisk } from './memory-disk.js';
import { seededRandom } from './seeded-random.js';

const options = { segmentBytesMax: 16 * 1024, fillAheadBytes: 8192 };

function pathOf(baseOffset: number): string {
  return `${directory}/log/${segmentName(baseOffset)}`;
}

async function write(disk: MemoryDisk, path: string, bytes: Buffer, position: number) {
  const file = await disk.open(path, 'write');
  await file.write([bytes], position);
  await file.close();
}

/** A log of some segments that was closed in order, and where its segments begin. */
async function someLog(count: number, entryBytesMax: number, seed = 1) {
  const disk = new MemoryDisk();
  const batches = new Batches(seed);
  const { log } = await openLog(disk, options);
  log.append(batches.many(count, entryBytesMax));
  await log.close();
  const names = await disk.list(`${directory}/log`);
  const bases = names.filter((name) => name.endsWith('.segment')).map((name) => parseInt(name, 10));
  return { disk, batches, bases };
}

function lastOf<T>(values: readonly T[]): T {
  const last = values.at(-1);
  if (last === undefined) throw new Error('there are none');
  return last;
}

t.test('every batch is handed on, from the front or from a known place', async (t) => {
  const { disk, batches } = await someLog(60, 2000);
  for (const count of [0, 1, 30, 59, 60]) {
    const header = batches.all[count - 1]?.header;
    const start = header ? { ...header, offset: batchEnd(header) } : genesis;
    const { log, told } = await openLog(disk, options, start);
    const expected = batches.all.slice(count).map(({ body }) => body);
    t.equal(told.recovered.length, expected.length);
    t.ok(Buffer.concat(told.recovered).equals(Buffer.concat(expected)));
    t.equal(log.endOffset, batches.endOffset);
    t.equal(log.durableOffset, batches.endOffset);
    await log.close();
  }
});

t.test('a known place that is not in the log stops the start', async (t) => {
  const { disk, batches } = await someLog(60, 2000);
  const header = batches.all[58]?.header ?? lastOf(batches.all).header;
  const offset = batchEnd(header);
  const wrong = [
    { ...header, offset, chain: genesis.chain },
    { ...header, offset: offset + 1 },
    { ...header, offset: batches.endOffset + 100 },
  ];
  for (const start of wrong) {
    await t.rejects(openLog(disk, options, start), { code: 'DATA_CORRUPT' });
  }
  await t.rejects(openLog(new MemoryDisk(), options, { ...header, offset }), {
    code: 'DATA_CORRUPT',
  });
});

t.test('a torn tail is cut at any sector that was lost', async (t) => {
  const { disk, batches, bases } = await someLog(20, 3000, 3);
  const base = lastOf(bases);
  const { header } = lastOf(batches.all);
  const from = positionOf(base, header.offset);
  const end = positionOf(base, batchEnd(header));
  const fill = new Fill(clusterId, base);
  t.ok(end - from > 1000, 'the last batch has several sectors');
  for (let sector = from - (from % 512); sector < end; sector += 512) {
    const torn = disk.crash();
    const start = Math.max(sector, from);
    await write(torn, pathOf(base), Buffer.concat(fill.parts(start, sector + 512)), start);
    const { log, told } = await openLog(torn, options);
    t.equal(log.endOffset, header.offset, `without the sector at ${sector}`);
    const more = Batches.of(batches.bytes.subarray(0, header.offset));
    log.append([more.next(100)]);
    await told.durableUpTo(more.endOffset);
    await log.close();
    const again = await openLog(torn, options);
    t.ok((await readAll(again.log)).equals(more.bytes));
    await again.log.close();
  }
});

t.test('rot is kept and named by segment, offset and reason', async (t) => {
  const { disk, batches, bases } = await someLog(60, 2000);
  const random = seededRandom(9);
  for (let i = 0; i < 400; i += 1) {
    const offset = Math.floor(random.fraction() * batches.endOffset);
    const base = bases.findLast((candidate) => candidate <= offset) ?? 0;
    const rotten = disk.crash();
    rotten.flipBit(pathOf(base), positionOf(base, offset), i % 8);
    const before = rotten.contentOf(pathOf(base));
    const holder = batches.all.find(({ header }) => batchEnd(header) > offset);
    try {
      await openLog(rotten, options);
      t.fail(`bit ${i % 8} of ${offset} was not missed`);
    } catch (error) {
      t.match(error, { code: 'DATA_CORRUPT' });
      t.match(String(error), `${segmentName(base)}, offset ${holder?.header.offset}: `);
    }
    t.ok(rotten.contentOf(pathOf(base)).equals(before), 'the file is as it was');
  }
});

t.test('a whole batch that does not follow the one before it is rot', async (t) => {
  const { disk, batches, bases } = await someLog(60, 2000);
  const other = new Batches(1, 'c2'.repeat(32));
  other.many(60, 2000);
  for (const index of [0, 20, 59]) {
    const [own, foreign] = [batches.all[index], other.all[index]];
    if (own === undefined || foreign === undefined) throw new Error('there are sixty');
    const { offset } = own.header;
    t.equal(foreign.header.offset, offset, 'it fits in everything but the chain');
    const base = bases.findLast((candidate) => candidate <= offset) ?? 0;
    const rotten = disk.crash();
    await write(rotten, pathOf(base), bytesOf([foreign]), positionOf(base, offset));
    await t.rejects(openLog(rotten, options), {
      code: 'DATA_CORRUPT',
      message: new RegExp(`offset ${offset}: the chain is broken`),
    });
  }
});

t.test('a bit of a segment header that turned over stops the start', async (t) => {
  const { disk, bases } = await someLog(60, 2000);
  for (const base of bases) {
    for (const position of [0, 4, 9, 20, 40, 70, 79, 80, 2000, fileHeaderBytes - 1]) {
      const rotten = disk.crash();
      rotten.flipBit(pathOf(base), position);
      await t.rejects(openLog(rotten, options), {
        code: 'DATA_CORRUPT',
        message: new RegExp(segmentName(base)),
      });
    }
  }
});

t.test('a batch that is damaged by rot and lies where a group could be is not cut', async (t) => {
  const { disk, batches, bases } = await someLog(20, 3000, 3);
  const base = lastOf(bases);
  const position = positionOf(base, lastOf(batches.all).header.offset);
  const end = positionOf(base, batches.endOffset);
  await write(disk, pathOf(base), Buffer.alloc(end - position), position);
  const rotten = disk.crash();
  await t.rejects(openLog(rotten, options), { code: 'DATA_CORRUPT' }, 'zeros in front of the fill');
});

t.test('a lost sector is rot when a batch begins further behind than one group', async (t) => {
  const disk = new MemoryDisk();
  const large = { segmentBytesMax: 64 * 2 ** 20, fillAheadBytes: 2 ** 20 };
  const batches = new Batches();
  const opened = await openLog(disk, large);
  const body = 4 * 2 ** 20;
  opened.log.append([batches.next(1000), batches.next(100)]);
  for (let size = 0; size <= groupBytesMax; size += body) opened.log.append([batches.next(body)]);
  await opened.told.durableUpTo(batches.endOffset);
  await opened.log.close();
  const fill = new Fill(clusterId, 0);
  const cut = Buffer.concat(fill.parts(fileHeaderBytes + 512, fileHeaderBytes + 1024));
  await write(disk, pathOf(0), cut, fileHeaderBytes + 512);
  await t.rejects(openLog(disk, large), {
    code: 'DATA_CORRUPT',
    message: /0000000000000000\.segment, offset 0: the body's checksum is wrong/,
  });
});

t.test('a missing, foreign or shortened segment stops the start', async (t) => {
  const { disk, bases } = await someLog(60, 2000);
  const [, second = 0, third = 0] = bases;
  const missing = disk.crash();
  await missing.remove(pathOf(second));
  await t.rejects(openLog(missing, options), { code: 'DATA_CORRUPT' });

  const swapped = disk.crash();
  await swapped.remove(pathOf(second));
  await swapped.rename(pathOf(third), pathOf(second));
  await t.rejects(openLog(swapped, options), { code: 'DATA_CORRUPT' });

  const short = disk.crash();
  const file = await short.open(pathOf(second), 'write');
  await file.truncate((await file.length()) - 1);
  await file.close();
  await t.rejects(openLog(short, options), { code: 'DATA_CORRUPT' });

  const other = { ...options, clusterId: 'f0'.repeat(32) };
  await t.rejects(openLog(disk.crash(), other), { code: 'DATA_CORRUPT' });
});

t.test('an unknown format version is refused', async (t) => {
  const { disk, bases } = await someLog(60, 2000);
  for (const base of bases) {
    const newer = disk.crash();
    const header = newer.contentOf(pathOf(base)).subarray(0, fileHeaderBytes);
    header.writeUInt16LE(2, 4);
    header.writeUInt32LE(crc32(header.subarray(0, fileHeaderBytes - 4)), fileHeaderBytes - 4);
    await write(newer, pathOf(base), header, 0);
    await t.rejects(openLog(newer, options), { code: 'FORMAT_UNKNOWN', message: /version 2/ });
  }
});
