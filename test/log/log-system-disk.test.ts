import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { Place } from '../../server/log/scan.js';
import { Log } from '../../server/log/log.js';
import { systemClock } from '../../proto/system.js';
import { systemDisk } from '../../server/log/system-disk.js';
import { Batches, genesis, readAll, smallSegments, Told } from './log-fixture.js';

async function open(directory: string, told: Told, start: Place = genesis): Promise<Log> {
  const onBatch = (_: unknown, body: Buffer) => void told.recovered.push(body);
  return Log.open(systemDisk, systemClock, directory, smallSegments, start, onBatch, {
    onDurable: (offset, generation) => told.onDurable(offset, generation),
    onFailed: (error) => told.failures.push(error),
    onStalled: (reason) => told.stalls.push(reason),
  });
}

t.test('a log on a real disk is written, cut back, closed and opened again', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), `loglog-${randomBytes(4).toString('hex')}-`));
  t.teardown(() => rm(directory, { recursive: true }));
  const batches = new Batches();
  const told = new Told();
  const log = await open(directory, told);
  for (let i = 0; i < 50; i += 1) {
    log.append(batches.many(5, 3000));
    if (i % 5 === 0) await told.durableUpTo(batches.endOffset);
  }
  await told.durableUpTo(batches.endOffset);
  t.ok((await readAll(log)).equals(batches.bytes));
  const offset = batches.all[100]?.header.offset ?? 0;
  batches.truncate(offset);
  log.truncate(offset, 1);
  log.append(batches.many(60, 3000));
  told.durable = { offset: 0, generation: 0 };
  await told.durableUpTo(batches.endOffset);
  t.equal(told.durable.generation, 1);
  await log.close();
  t.same(told.failures, []);
  t.ok((await readdir(join(directory, 'log'))).length > 4);

  const again = await open(directory, new Told(), genesis);
  t.equal(again.endOffset, batches.endOffset);
  t.ok((await readAll(again)).equals(batches.bytes));
  await again.close();
});
