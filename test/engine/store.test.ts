/** What a store remembers for the next start. */
import t from 'tap';
import { batchEnd } from '../../proto/batch.js';
import { Store } from '../../server/store.js';
import { TestClock } from '../client/test-clock.js';
import { Batches, clusterId } from '../log/log-fixture.js';
import { MemoryDisk } from '../log/memory-disk.js';
import { directory } from './cluster.js';

const options = {
  clusterId,
  segmentBytesMax: 64 * 1024,
  recentBytesMax: 2 ** 20,
  checkpointBytesMax: 2 ** 20,
};

async function openStore(disk: MemoryDisk): Promise<Store> {
  const donor = { batchesFrom: async () => undefined };
  const ignore = () => undefined;
  return Store.open({ disk, clock: new TestClock(), donor }, directory, options, {
    onDurable: ignore,
    onFailed: ignore,
    onStalled: ignore,
    onMended: ignore,
  });
}

async function durable(store: Store): Promise<void> {
  while (store.log.durableOffset < store.log.endOffset) await new Promise(setImmediate);
}

/** A store with three batches, of which the disk has all and the first two are committed. */
async function withCommitted() {
  const disk = new MemoryDisk();
  const store = await openStore(disk);
  const batches = new Batches();
  const [, second] = batches.many(3, 100);
  if (second === undefined) throw new Error('there are three');
  store.adopt(batches.all);
  await durable(store);
  const committedEnd = batchEnd(second.header);
  store.commit(committedEnd);
  return { disk, store, batches, committedEnd };
}

t.test('a checkpoint is of what is committed, and of nothing behind it', async (t) => {
  const { disk, store, batches, committedEnd } = await withCommitted();
  await store.saveCheckpoint();
  const next = await openStore(disk.crash());
  t.equal(next.committed.endOffset, committedEnd);
  t.equal(next.tip.endOffset, batches.endOffset);
  next.truncate(committedEnd, 1);
  t.equal(next.tip.endOffset, committedEnd, 'the rest can still be taken back');
});

t.test('a checkpoint waits until this disk has what it is of', async (t) => {
  const { disk, store, batches } = await withCommitted();
  store.adopt([batches.next(100)]);
  store.commit(batches.endOffset);
  t.ok(store.log.durableOffset < batches.endOffset, 'other nodes were faster');
  await store.saveCheckpoint();
  const early = await disk.list(directory);
  t.notOk(early.some((name) => name.startsWith('checkpoint')));
  await durable(store);
  await store.saveCheckpoint();
  t.equal((await openStore(disk.crash())).committed.endOffset, batches.endOffset);
});
