import fc from 'fast-check';
import t from 'tap';
import { batchEnd } from '../../proto/batch.js';
import { batchBytesMax } from '../../proto/limits.js';
import type { DiskFile } from '../../server/log/disk.js';
import { Batches, bytesOf, directory, openLog, readAll, smallSegments } from './log-fixture.js';
import { MemoryDisk } from './memory-disk.js';

class CountingDisk extends MemoryDisk {
  filesOpen = 0;
  filesOpenMax = 0;

  override async open(path: string, mode: 'read' | 'write' | 'create'): Promise<DiskFile> {
    const file = await super.open(path, mode);
    this.filesOpen += 1;
    this.filesOpenMax = Math.max(this.filesOpenMax, this.filesOpen);
    return {
      ...file,
      close: async () => {
        await file.close();
        this.filesOpen -= 1;
      },
    };
  }
}

t.test('whatever is appended is read back at any offset and limit', async (t) => {
  const runs = fc.record({
    seed: fc.nat(),
    groups: fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 8 }),
    entryBytesMax: fc.constantFrom(1, 100, 5000, 90_000),
    recentBytesMax: fc.constantFrom(0, 20_000, 1e9),
    places: fc.array(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), {
      minLength: 5,
      maxLength: 20,
    }),
    limit: fc.constantFrom(1, 1000, 70_000, 1e6),
  });
  await fc.assert(
    fc.asyncProperty(runs, async ({ seed, groups, places, limit, ...sizes }) => {
      const batches = new Batches(seed);
      const { log, told } = await openLog(new MemoryDisk(), sizes);
      for (const count of groups) {
        log.append(batches.many(count, sizes.entryBytesMax));
        if (count % 2 === 0) await told.durableUpTo(batches.endOffset);
      }
      await told.durableUpTo(batches.endOffset);
      const { bytes, endOffset } = batches;
      for (const place of places) {
        const offset = Math.floor(place * endOffset);
        const holder = batches.all.find(({ header }) => batchEnd(header) > offset);
        const page = await log.read(offset, limit, endOffset);
        const onlyOne = page.next === batchEnd(holder?.header ?? batches.next(1).header);
        if (page.offset !== holder?.header.offset) throw new Error('begins with another batch');
        if (page.next !== page.offset + page.bytes.length) throw new Error('ends elsewhere');
        if (page.bytes.length > limit && !onlyOne) throw new Error('exceeds the limit');
        if (!page.bytes.equals(bytes.subarray(page.offset, page.next))) {
          throw new Error('shows other bytes');
        }
      }
      if (!(await readAll(log, 0, endOffset, limit)).equals(bytes)) throw new Error('differs');
      await log.close();
    }),
    { numRuns: 60 },
  );
  t.pass('all runs');
});

t.test('two logs that are given the same batches have the same files', async (t) => {
  const batches = new Batches(7);
  batches.many(40, 5000);
  batches.next(70_000);
  batches.many(300, 900);
  const disks = [new MemoryDisk(), new MemoryDisk()] as const;
  const one = await openLog(disks[0]);
  const other = await openLog(disks[1], { fillAheadBytes: 4096 });
  one.log.append(batches.all);
  for (const [i, batch] of batches.all.entries()) {
    other.log.append([batch]);
    if (i % 7 === 0) await other.told.durableUpTo(batchEnd(batch.header));
  }
  await one.told.durableUpTo(batches.endOffset);
  await other.told.durableUpTo(batches.endOffset);
  await one.log.close();
  await other.log.close();
  const names = await disks[0].list(`${directory}/log`);
  t.same(await disks[1].list(`${directory}/log`), names);
  t.ok(names.length > 8, 'there are several segments');
  const sealed = names.slice(0, -1);
  for (const name of sealed) {
    const [left, right] = disks.map((disk) => disk.contentOf(`${directory}/log/${name}`));
    t.ok(left?.equals(right ?? Buffer.alloc(0)), name);
  }
  const last = `${directory}/log/${names.at(-1)}`;
  const [left, right] = disks.map((disk) => disk.contentOf(last));
  const base = Number.parseInt(names.at(-1) ?? '', 10);
  const length = 4096 + batches.endOffset - base;
  t.ok(left?.subarray(0, length).equals(right?.subarray(0, length) ?? Buffer.alloc(0)), last);
});

t.test('what is in memory is read without the disk, durable or not', async (t) => {
  const disk = new MemoryDisk();
  const batches = new Batches();
  const { log } = await openLog(disk, { recentBytesMax: 1e6 });
  const first = batches.many(10, 100);
  log.append(first);
  t.equal(log.queuedBytes, batches.endOffset);
  const operations = disk.operations;
  const page = log.readRecent(5, 1e6, batches.endOffset);
  t.same(page, { offset: 0, next: batches.endOffset, bytes: bytesOf(first) });
  t.same(log.recentBatch(0), first[0]);
  t.equal(log.recentBatch(1), undefined, 'nothing begins there');
  t.equal(disk.operations, operations);
  t.same(log.readRecent(batches.endOffset, 10, batches.endOffset)?.bytes.length, 0);
  await log.close();
  t.equal(log.durableOffset, batches.endOffset);
});

t.test('memory for recent batches is bounded once they are durable', async (t) => {
  const batches = new Batches();
  const { log, told } = await openLog(new MemoryDisk(), { recentBytesMax: 10_000 });
  log.append(batches.many(5000, 100));
  t.ok(log.readRecent(0, 1, batches.endOffset), 'what is not durable stays');
  await told.durableUpTo(batches.endOffset);
  t.equal(log.readRecent(batches.endOffset - 10_100, 1, batches.endOffset), undefined);
  t.ok(log.readRecent(batches.endOffset - 9000, 1, batches.endOffset));
  t.ok((await readAll(log)).equals(batches.bytes));
  await log.close();
});

t.test('a peer is given durable batches from where one begins', async (t) => {
  for (const recentBytesMax of [0, 1e6]) {
    const batches = new Batches();
    const { log, told } = await openLog(new MemoryDisk(), { recentBytesMax });
    const durable = batches.many(100, 2000);
    log.append(durable);
    await told.durableUpTo(batches.endOffset);
    log.append(batches.many(3, 10));
    const given = [];
    for (let at = 0; at < batches.endOffset;) {
      const some = await log.batchesFrom(at, 5000);
      t.ok(some.length === 1 || bytesOf(some).length <= 5000);
      given.push(...some);
      const next = some.at(-1);
      if (next === undefined) break;
      at = batchEnd(next.header);
    }
    t.same(
      given.slice(0, durable.length).map(({ header }) => header),
      durable.map(({ header }) => header),
    );
    t.ok(bytesOf(given.slice(0, durable.length)).equals(bytesOf(durable)));
    t.same(await log.batchesFrom(1, 1), [], 'no batch begins there');
    await log.close();
  }
});

t.test('offsets out of range are refused', async (t) => {
  const batches = new Batches();
  const { log } = await openLog(new MemoryDisk());
  log.append(batches.many(3, 10));
  const beyond = batches.endOffset + 1;
  await t.rejects(log.read(beyond, 1, 1e9), { code: 'OFFSET_BEYOND_END', end: batches.endOffset });
  t.throws(() => log.append(new Batches().many(1, 1)), { code: 'INTERNAL' });
  await log.close();
  t.throws(() => log.append([batches.next(1)]), { code: 'SHUTTING_DOWN' });
});

t.test('the largest batch has a segment of its own', async (t) => {
  const disk = new MemoryDisk();
  const batches = new Batches();
  const { log, told } = await openLog(disk);
  const entryBytes = batchBytesMax - 96 - 4;
  log.append([batches.next(10), batches.next(entryBytes), batches.next(10)]);
  await told.durableUpTo(batches.endOffset);
  const [, large] = batches.all;
  const page = await log.read(200, 1, batches.endOffset);
  t.equal(page.bytes.length, batchBytesMax);
  t.ok(page.bytes.equals(bytesOf(large ? [large] : [])));
  await log.close();
  const again = await openLog(disk);
  t.equal(again.log.endOffset, batches.endOffset);
  t.equal(again.told.recovered.length, 3);
  await again.log.close();
});

t.test(
  'five hundred segments are opened by their names alone and read with few files',
  async (t) => {
    const disk = new CountingDisk();
    const batches = new Batches();
    const { log, told } = await openLog(disk, { segmentBytesMax: 512 });
    log.append(batches.many(1000, 400));
    await told.durableUpTo(batches.endOffset);
    await log.close();
    t.ok((await disk.list(`${directory}/log`)).length > 1000, 'with their indexes');
    t.equal(disk.filesOpen, 0, 'nothing stays open');

    const [last] = batches.all.slice(-1);
    const { chain, term, timeMs } = batches.all.at(-2)?.header ?? {};
    if (last === undefined || chain === undefined || term === undefined || timeMs === undefined) {
      throw new Error('there are batches');
    }
    const before = disk.operations;
    const start = { offset: last.header.offset, chain, term, timeMs };
    const again = await openLog(disk, { segmentBytesMax: 512 }, start);
    t.ok(disk.operations - before < 60, `${disk.operations - before} operations`);
    t.equal(again.told.recovered.length, 1);
    t.ok((await readAll(again.log)).equals(batches.bytes));
    t.ok(
      disk.filesOpenMax <= smallSegments.indexCacheMax + 4,
      `${disk.filesOpenMax} files open at once`,
    );
    await again.log.close();
    t.equal(disk.filesOpen, 0);
  },
);

t.test('a segment that is full takes up no more memory than its base offset', async (t) => {
  const segmentCount = 5000;
  const options = { segmentBytesMax: 512 };
  const disk = new MemoryDisk();
  const batches = new Batches();
  const { log, told } = await openLog(disk, options);
  log.append(Array.from({ length: segmentCount }, () => batches.next(400)));
  await told.durableUpTo(batches.endOffset);
  await log.close();
  const heapBytes = async () => {
    for (let i = 0; i < 3; i++) {
      // What a turn of the event loop leaves behind goes with the next collection.
      await new Promise(setImmediate);
      globalThis.gc?.();
    }
    return process.memoryUsage().heapUsed;
  };
  const open = async () => {
    const again = await openLog(disk, options, batches.place);
    // Other segments than those that stay open have been read, too.
    await readAll(again.log);
    return again.log;
  };
  await (await open()).close();
  const before = await heapBytes();
  const again = await open();
  const bytes = Math.round(((await heapBytes()) - before) / segmentCount);
  t.comment(`${bytes} bytes a segment`);
  t.ok(bytes < 64, `${bytes} bytes a segment`);
  await again.close();
});
