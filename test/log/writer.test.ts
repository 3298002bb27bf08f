import t from 'tap';
import { batchEnd } from '../../proto/batch.js';
import type { Clock } from '../../proto/clock.js';
import { batchBytesMax, groupBytesMax } from '../../proto/limits.js';
import { writeBytesMax } from '../../server/log/writer.js';
import { Batches, directory, genesis, openLog, readAll } from './log-fixture.js';
import { MemoryDisk } from './memory-disk.js';

/** Time passes when the test says so. */
class ManualClock implements Clock {
  #waiting = new Set<{ at: number; run: () => void }>();
  #now = 0;

  wallMs(): number {
    return this.#now;
  }

  monotonicMs(): number {
    return this.#now;
  }

  after(delayMs: number, run: () => void) {
    const waiter = { at: this.#now + delayMs, run };
    this.#waiting.add(waiter);
    return { cancel: () => void this.#waiting.delete(waiter) };
  }

  soon(run: () => void): void {
    setImmediate(run);
  }

  advance(byMs: number): void {
    this.#now += byMs;
    for (const waiter of [...this.#waiting]) {
      if (waiter.at > this.#now) continue;
      this.#waiting.delete(waiter);
      waiter.run();
    }
  }
}

/** Long enough for everything that waits for nothing from outside. */
async function settle(): Promise<void> {
  for (let i = 0; i < 50; i += 1) await new Promise((resume) => setImmediate(resume));
}

t.test('what arrives while a write runs shares the next one', async (t) => {
  const disk = new MemoryDisk();
  const batches = new Batches();
  const { log, told } = await openLog(disk, { segmentBytesMax: 1e6, fillAheadBytes: 5e5 });
  log.append([batches.next(10)]);
  await told.durableUpTo(batches.endOffset);
  await settle();
  const before = disk.writes;
  const release = disk.stallWrites();
  log.append([batches.next(10)]);
  await settle();
  for (const batch of batches.many(100, 50)) log.append([batch]);
  await settle();
  t.equal(disk.writes - before, 1, 'one group is being written');
  release();
  await told.durableUpTo(batches.endOffset);
  t.equal(disk.writes - before, 2);
  await log.close();
});

t.test('nothing is durable before its write has ended', async (t) => {
  const disk = new MemoryDisk();
  const batches = new Batches();
  const { log, told } = await openLog(disk);
  const release = disk.stallWrites();
  log.append([batches.next(10)]);
  await settle();
  t.equal(log.durableOffset, 0);
  t.equal(log.queuedBytes, batches.endOffset);
  release();
  await told.durableUpTo(batches.endOffset);
  t.equal(log.queuedBytes, 0);
  await log.close();
});

t.test('a write is no larger than it has to be, nor than recovery expects', async (t) => {
  const disk = new MemoryDisk();
  const batches = new Batches();
  const large = { segmentBytesMax: 2 ** 30, fillAheadBytes: 2 ** 20 };
  const { log, told } = await openLog(disk, large);
  const groups: number[] = [];
  const onDurable = told.onDurable.bind(told);
  let last = 0;
  told.onDurable = (offset, generation) => {
    groups.push(offset - last);
    last = offset;
    onDurable(offset, generation);
  };
  log.append(Array.from({ length: 10 }, () => batches.next(2 ** 20)));
  log.append([batches.next(7 * 2 ** 20)]);
  await told.durableUpTo(batches.endOffset);
  const [largest = 0, next = 0] = groups.toSorted((a, b) => b - a);
  t.equal(largest, 7 * 2 ** 20 + 100, 'a batch goes with one write');
  t.ok(next > 2 ** 20 && next <= writeBytesMax);
  t.ok(Math.max(batchBytesMax, writeBytesMax) <= groupBytesMax);
  await log.close();
});

t.test('a full disk makes the writer wait, and it goes on when there is room', async (t) => {
  const clock = new ManualClock();
  const disk = new MemoryDisk();
  const batches = new Batches();
  const options = { segmentBytesMax: 4096, fillAheadBytes: 1024 };
  const { log, told } = await openLog(disk, options, genesis, clock);
  log.append([batches.next(10)]);
  await told.durableUpTo(batches.endOffset);
  disk.full = true;
  log.append(batches.many(30, 2000));
  await settle();
  t.equal(told.stalls.length, 1, 'it says so once');
  t.match(told.stalls[0], /ENOSPC/);
  t.ok(log.queuedBytes > 0);
  const durable = log.durableOffset;
  clock.advance(1000);
  await settle();
  t.equal(log.durableOffset, durable, 'still full');
  disk.full = false;
  while (log.queuedBytes > 0 && told.failures.length === 0) {
    clock.advance(1000);
    await settle();
  }
  t.equal(told.stalls.length, 2);
  t.equal(told.stalls[1], null);
  t.same(told.failures, []);
  t.ok((await readAll(log)).equals(batches.bytes));
  await log.close();
});

t.test('a disk that fills up at any time only makes the writer wait', async (t) => {
  const options = { segmentBytesMax: 4096, fillAheadBytes: 1024 };
  for (let free = 0; free < 40; free += 1) {
    const clock = new ManualClock();
    const disk = new MemoryDisk();
    const batches = new Batches();
    const { log, told } = await openLog(disk, options, genesis, clock);
    const filledUpAt = disk.operations + free;
    log.append(batches.many(12, 1500));
    while (disk.operations < filledUpAt && log.queuedBytes > 0) await Promise.resolve();
    disk.full = true;
    await settle();
    disk.full = false;
    while (log.queuedBytes > 0 && told.failures.length === 0) {
      clock.advance(1000);
      await settle();
    }
    t.same(told.failures, [], `full after ${free} operations`);
    await log.close();
    const again = await openLog(disk, options);
    t.ok((await readAll(again.log)).equals(batches.bytes));
    await again.log.close();
  }
});

t.test('a log that waits for room can be closed', async (t) => {
  const disk = new MemoryDisk();
  const batches = new Batches();
  const { log, told } = await openLog(disk, {}, genesis, new ManualClock());
  disk.full = true;
  log.append([batches.next(10)]);
  await settle();
  t.equal(told.stalls.length, 1);
  await log.close();
  t.same(told.failures, []);
  disk.full = false;
  const again = await openLog(disk);
  t.equal(again.log.endOffset, 0);
  await again.log.close();
});

t.test('after a write that failed nothing is written and nothing becomes durable', async (t) => {
  const options = { segmentBytesMax: 4096, fillAheadBytes: 1024 };
  for (let nth = 1; nth <= 20; nth += 1) {
    const disk = new MemoryDisk();
    const batches = new Batches();
    const { log, told } = await openLog(disk, options);
    disk.failWrite(nth, 'EIO');
    log.append(batches.many(40, 1000));
    await settle();
    t.equal(told.failures.length, 1, `write ${nth}`);
    t.match(told.failures[0], { code: 'DISK_FAILED' });
    const { durableOffset } = log;
    const { writes } = disk;
    t.throws(() => log.append([batches.next(10)]), { code: 'DISK_FAILED' });
    await settle();
    t.equal(disk.writes, writes);
    t.equal(log.durableOffset, durableOffset);
    t.equal(told.durable.offset, durableOffset);
    await log.close();
    const survivor = await openLog(disk.crash(), options);
    const bytes = await readAll(survivor.log);
    t.ok(bytes.length >= durableOffset);
    t.ok(bytes.equals(batches.bytes.subarray(0, bytes.length)));
    await survivor.log.close();
  }
});

t.test('a truncation cancels what is queued and cuts off what is written', async (t) => {
  const options = { segmentBytesMax: 4096, fillAheadBytes: 1024, recentBytesMax: 1e6 };
  for (const keep of [0, 1, 5, 11, 12, 19]) {
    const disk = new MemoryDisk();
    const batches = new Batches();
    const { log, told } = await openLog(disk, options);
    log.append(batches.many(12, 1500));
    await told.durableUpTo(batches.endOffset);
    log.append(batches.many(8, 1500));
    const offset = batches.all[keep]?.header.offset ?? 0;
    batches.truncate(offset);
    log.truncate(offset, 1);
    t.equal(log.endOffset, offset);
    t.ok(log.durableOffset <= offset);
    t.equal(log.recentBatch(offset), undefined);
    t.throws(() => log.readRecent(offset + 1, 1, 1e9), { code: 'OFFSET_BEYOND_END' });
    log.append(batches.many(15, 1500));
    told.durable = { offset: 0, generation: 0 };
    await told.durableUpTo(batches.endOffset);
    t.same(told.durable, { offset: batches.endOffset, generation: 1 });
    t.ok((await readAll(log)).equals(batches.bytes));
    await log.close();
    const again = await openLog(disk, options);
    t.ok((await readAll(again.log)).equals(batches.bytes), `kept ${keep} batches`);
    await again.log.close();
  }
});

t.test('reads beside a truncation show the old log or the new one, never both', async (t) => {
  const options = { segmentBytesMax: 4096, fillAheadBytes: 1024, recentBytesMax: 0 };
  const disk = new MemoryDisk({ delay: () => new Promise((resume) => setImmediate(resume)) });
  const batches = new Batches();
  const { log, told } = await openLog(disk, options);
  let reading = true;
  let pages = 0;
  const wholes: Buffer[] = [];
  const read = async (from: number) => {
    for (let at = from; reading; at += 1777) {
      const below = log.durableOffset;
      await new Promise((resume) => setImmediate(resume));
      if (below === 0) continue;
      try {
        const page = await log.read(at % below, 3000, below);
        const known = [batches.bytes, ...wholes].some((whole) =>
          whole.subarray(page.offset, page.next).equals(page.bytes),
        );
        if (!known) throw new Error(`mixed bytes from ${page.offset} to ${page.next}`);
        pages += 1;
      } catch (error) {
        t.match(error, { code: 'OFFSET_BEYOND_END' });
      }
    }
  };
  const readers = [1, 900, 7000].map((from) => read(from));
  for (let round = 0; round < 40; round += 1) {
    log.append(batches.many(20, 1200));
    told.durable = { offset: log.durableOffset, generation: round };
    await told.durableUpTo(batches.endOffset);
    await settle();
    wholes.unshift(batches.bytes);
    wholes.length = Math.min(wholes.length, 3);
    const offset = batches.all[(round * 7) % 20]?.header.offset ?? 0;
    batches.truncate(offset);
    log.truncate(offset, round + 1);
  }
  reading = false;
  await Promise.all(readers);
  t.ok(pages > 100, `${pages} pages`);
  await log.close();
});

t.test('a segment that was made for a cancelled batch is given up again', async (t) => {
  const options = { segmentBytesMax: 4096, fillAheadBytes: 1024 };
  const disk = new MemoryDisk();
  const batches = new Batches();
  const { log, told } = await openLog(disk, options);
  log.append([batches.next(2000)]);
  await told.durableUpTo(batches.endOffset);
  const offset = batches.endOffset;
  disk.full = true;
  log.append([batches.next(3000)]);
  await settle();
  t.equal(told.stalls.length, 1);
  batches.truncate(offset);
  log.truncate(offset, 1);
  log.append([batches.next(100)]);
  disk.full = false;
  while (log.queuedBytes > 0) await new Promise((resume) => setTimeout(resume, 20));
  await log.close();
  t.same(
    (await disk.list(`${directory}/log`)).filter((name) => name.endsWith('.segment')),
    ['0000000000000000.segment'],
    'the batch that came instead fits into the first one',
  );
  const again = await openLog(disk, options);
  t.equal(again.log.endOffset, batchEnd(batches.all[1]?.header ?? batches.next(1).header));
  await again.log.close();
});
