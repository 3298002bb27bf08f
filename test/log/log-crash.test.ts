import t from 'tap';
import type { Log } from '../../server/log/log.js';
import type { OpenedLog } from './log-fixture.js';
import { Batches, openLog, readAll } from './log-fixture.js';
import { MemoryDisk } from './memory-disk.js';

const options = { segmentBytesMax: 4096, fillAheadBytes: 2048 };

/** One life of a log: what was asked of it, in memory, up to when the power was cut. */
class Life {
  readonly batches = new Batches(5);
  /** What the log held before each truncation. */
  readonly earlier: Buffer[] = [];
  log: Log | undefined;

  async run(disk: MemoryDisk): Promise<void> {
    const opened = await openLog(disk, options);
    this.log = opened.log;
    await this.#append(opened, [1, 600, 3, 2000, 512]);
    await this.#append(opened, [1500, 10_000, 100, 412, 412, 900]);
    opened.log.append([this.batches.next(700), this.batches.next(3000)]);
    this.#truncate(opened, 8);
    await this.#append(opened, [40, 2500, 10]);
    this.#truncate(opened, 3);
    this.#truncate(opened, 2);
    await this.#append(opened, [300, 3600, 4000, 20, 4096]);
    this.#truncate(opened, 4);
    await this.#append(opened, [1]);
    this.#truncate(opened, 0);
    await this.#append(opened, [90, 5000]);
    await opened.log.close();
  }

  async #append({ log, told }: OpenedLog, sizes: readonly number[]): Promise<void> {
    const half = sizes.length >> 1;
    log.append(sizes.slice(0, half).map((size) => this.batches.next(size)));
    log.append(sizes.slice(half).map((size) => this.batches.next(size)));
    await told.durableUpTo(this.batches.endOffset);
  }

  /** Keeps `count` batches. */
  #truncate({ log, told }: OpenedLog, count: number): void {
    const offset = this.batches.all[count]?.header.offset ?? 0;
    this.earlier.push(this.batches.bytes);
    this.batches.truncate(offset);
    log.truncate(offset, log.generation + 1);
    told.durable = { offset: log.durableOffset, generation: log.generation };
  }
}

function startsWith(bytes: Buffer, prefix: Buffer): boolean {
  return bytes.subarray(0, prefix.length).equals(prefix);
}

/** Opens what is left, and says what it holds, or what is wrong with that. */
async function recovered(life: Life, disk: MemoryDisk): Promise<Buffer> {
  const durable = life.log?.durableOffset ?? 0;
  const now = life.batches.bytes;
  const { log } = await openLog(disk, options);
  const bytes = await readAll(log);
  await log.close();
  if (![now, ...life.earlier].some((whole) => startsWith(whole, bytes))) {
    throw new Error('the log holds what was never written');
  }
  if (bytes.length < durable || !startsWith(bytes, now.subarray(0, durable))) {
    throw new Error(`${durable} was durable, ${bytes.length} is left`);
  }
  return bytes;
}

/** Goes on behind what was recovered; later the log holds both. */
async function goOn(disk: MemoryDisk, bytes: Buffer): Promise<void> {
  const batches = Batches.of(bytes);
  const { log, told } = await openLog(disk, options);
  log.append(batches.many(6, 1500));
  await told.durableUpTo(batches.endOffset);
  await log.close();
  const again = await openLog(disk, options);
  if (!(await readAll(again.log)).equals(batches.bytes)) throw new Error('it does not go on');
  await again.log.close();
}

async function lifeUntil(operation: number): Promise<{ life: Life; disk: MemoryDisk }> {
  const disk = new MemoryDisk();
  const life = new Life();
  disk.cutPowerAt(operation);
  await Promise.race([life.run(disk), disk.powerCut]);
  return { life, disk };
}

/** Operations of a whole life. */
async function countOperations(): Promise<number> {
  const { disk } = await lifeUntil(Infinity);
  return disk.operations;
}

t.test('a power cut at any operation loses nothing that was durable', async (t) => {
  const operations = await countOperations();
  t.ok(operations > 150, `${operations} operations`);
  for (let operation = 1; operation <= operations; operation += 1) {
    const { life, disk } = await lifeUntil(operation);
    for (let seed = 1; seed <= 3; seed += 1) {
      const survivor = disk.crash(1000 * operation + seed);
      try {
        await goOn(survivor, await recovered(life, survivor));
      } catch (error) {
        t.fail(`operation ${operation}, seed ${seed}: ${String(error)}`);
      }
    }
  }
});

t.test('a power cut while the log recovers loses nothing either', async (t) => {
  const operations = await countOperations();
  const step = 7;
  for (let operation = 1; operation <= operations; operation += step) {
    const { life, disk } = await lifeUntil(operation);
    for (let nth = 1; ; nth += 1) {
      const recovering = disk.crash(operation);
      recovering.cutPowerAt(nth);
      const opened = await Promise.race([openLog(recovering, options), recovering.powerCut]);
      if (opened !== undefined) break;
      const survivor = recovering.crash(nth);
      try {
        await goOn(survivor, await recovered(life, survivor));
      } catch (error) {
        t.fail(`operation ${operation}, then ${nth}: ${String(error)}`);
      }
    }
  }
});

t.test('what is there after the process was killed outlives a power cut', async (t) => {
  const disk = new MemoryDisk();
  const batches = new Batches();
  const { log, told } = await openLog(disk, options);
  log.append(batches.many(2, 500));
  await told.durableUpTo(batches.endOffset);
  disk.stallWrites();
  log.append([batches.next(600)]);
  await new Promise(setImmediate);
  t.ok(log.durableOffset < batches.endOffset);

  const next = disk.kill();
  const found = await openLog(next, options);
  t.equal(found.log.durableOffset, batches.endOffset, 'it was written, and not synced');
  for (let seed = 1; seed <= 20; seed += 1) {
    const left = await openLog(next.crash(seed), options);
    t.ok((await readAll(left.log)).equals(batches.bytes), `seed ${seed}`);
  }
});
