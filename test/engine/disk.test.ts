import t from 'tap';
import { LogLogError } from '../../proto/errors.js';
import { pendingBytesMax } from '../../server/orderer.js';
import { dataFrame } from '../node/raw-upload.js';
import { EngineCluster } from './cluster.js';
import { Upload } from './upload.js';

const { signal } = new AbortController();
const segmentBytesMax = 64 * 1024;

/** Each of them needs a segment of its own, so a full disk has no place for the next. */
function largeEntry(fill = 0): Buffer {
  return Buffer.alloc(segmentBytesMax, fill);
}

async function started() {
  const cluster = await EngineCluster.start();
  const leader = await cluster.leader();
  const client = cluster.client();
  await cluster.clock.run(client.append('first'));
  await cluster.settled();
  return { cluster, leader, client };
}

async function agree(test: Pick<typeof t, 'equal'>, cluster: EngineCluster): Promise<void> {
  const chains = (await cluster.settled()).map(({ chain }) => chain);
  test.equal(new Set(chains).size, 1, 'all nodes have the same log');
}

t.test('a follower whose disk is full holds nobody up, and catches up by itself', async (t) => {
  const { cluster, leader, client } = await started();
  const [follower] = cluster.others(leader);
  follower.disk.full = true;
  for (let i = 0; i < 5; i += 1) await cluster.clock.run(client.append(largeEntry(i)));
  t.ok((await follower.status()).durableOffset < (await leader.status()).durableOffset);
  const { service } = follower;
  const page = await cluster.clock.run(service.read({ offset: 0, limit: 1, waitMs: 0 }, signal));
  t.ok(page.batches.length > 0, 'it still serves');
  follower.disk.full = false;
  await agree(t, cluster);
  await cluster.clock.run(client.close());
  await cluster.close();
});

t.test('a follower whose disk is slow gives nobody what it may lose', async (t) => {
  const { cluster, leader, client } = await started();
  const [follower] = cluster.others(leader);
  follower.diskDelayMs = () => 300;
  const { offset } = await cluster.clock.run(client.append('second'));
  await cluster.clock.pass(100);
  const { commitOffset, durableOffset } = await follower.status();
  t.ok(commitOffset > offset && durableOffset <= offset, 'it knows that the others have it');
  const read = (waitMs: number) =>
    cluster.clock.run(follower.service.read({ offset: durableOffset, limit: 1, waitMs }, signal));
  t.equal((await read(0)).batches.length, 0);
  t.ok((await read(1000)).batches.length > 0);
  await cluster.clock.run(client.close());
  await cluster.close();
});

t.test('a leader whose disk is slower than the others’ lets appends wait for it', async (t) => {
  const { cluster, leader, client } = await started();
  const upload = new Upload(cluster, leader);
  const epoch = await upload.open();
  leader.diskDelayMs = () => 10;
  const entry = Buffer.alloc(2 ** 20);
  const sent = upload.sendUntilFull((sequence) => dataFrame(epoch, sequence, entry, {}));
  const { end } = await upload.acknowledged(sent);
  t.equal(upload.drains, 0, 'a quorum has all of it, and the leader’s disk has not');
  t.ok(end - (await leader.status()).durableOffset > pendingBytesMax - 2 * entry.length);
  await cluster.until('the stream to go on', () => upload.drains > 0);
  const { role, durableOffset } = await leader.status();
  t.equal(role, 'leader');
  t.ok(end - durableOffset < pendingBytesMax);
  await cluster.clock.run(client.close());
  await cluster.close();
});

t.test(
  'a leader whose disk is full refuses, and takes appends again when there is room',
  async (t) => {
    const { cluster, leader, client } = await started();
    leader.disk.full = true;
    const upload = new Upload(cluster, leader);
    const epoch = await upload.open();
    // The segment has no room for it, and the disk has none for another.
    upload.send(dataFrame(epoch, 1, largeEntry(), {}));
    await cluster.clock.pass(20);
    upload.send(dataFrame(epoch, 2, 'refused', {}));
    t.match(upload.refusals.get(2), { code: 'RESOURCE_EXHAUSTED', outcome: 'none' });
    const late = client.append('too late', { timeoutMs: 50 }).catch((error: unknown) => error);
    t.match(await cluster.clock.run(late), { code: 'DEADLINE', message: /RESOURCE_EXHAUSTED/ });
    const appending = client.append('in the end');
    await cluster.clock.pass(100);
    leader.disk.full = false;
    await cluster.clock.run(appending);
    await upload.acknowledged(1);
    t.equal(leader.failure, null);
    await agree(t, cluster);
    await cluster.clock.run(client.close());
    await cluster.close();
  },
);

t.test('a leader whose disk is full gives way to a node that has room', async (t) => {
  const { cluster, leader, client } = await started();
  leader.disk.full = true;
  for (let i = 0; i < 5; i += 1) await cluster.clock.run(client.append(largeEntry(i)));
  t.not((await cluster.leader()).id, leader.id);
  t.equal(leader.failure, null);
  leader.disk.full = false;
  await agree(t, cluster);
  await cluster.clock.run(client.close());
  await cluster.close();
});

t.test('when all disks are full, nothing is lost and everything goes on with room', async (t) => {
  const { cluster, client } = await started();
  for (const node of cluster.nodes) node.disk.full = true;
  const appends = [1, 2, 3].map((i) => client.append(largeEntry(i), { timeoutMs: 60_000 }));
  let answered = 0;
  for (const append of appends) void append.then(() => (answered += 1));
  await cluster.clock.pass(15_000);
  t.equal(answered, 0);
  const statuses = await Promise.all(cluster.nodes.map((node) => node.status()));
  t.ok(statuses.some(({ stalled }) => /ENOSPC/.test(stalled ?? '')));
  const late = client.append('more', { timeoutMs: 1000 });
  const message = /; last: NO_LEADER no node leads; n1: .*ENOSPC; n2: .*ENOSPC; n3: .*ENOSPC/;
  await t.rejects(cluster.clock.run(late), { code: 'DEADLINE', message });
  const end = client.end({ timeoutMs: 1000 });
  await t.rejects(cluster.clock.run(end), { code: 'DEADLINE', message: /no node leads; .*ENOSPC/ });
  for (const node of cluster.nodes) {
    t.equal(node.failure, null);
    node.disk.full = false;
  }
  const ends = (await cluster.clock.run(Promise.all(appends))).map(({ end }) => end);
  t.same(
    ends,
    ends.toSorted((a, b) => a - b),
  );
  await agree(t, cluster);
  await cluster.clock.run(client.close());
  await cluster.close();
});

/** A node that finds its disk so at the n-th write of its start; what an append is told then. */
async function startedWith(code: string, nth: number): Promise<string> {
  const cluster = await EngineCluster.start({ size: 1 });
  const node = await cluster.leader();
  // Nothing more fits into its block, which is durable: the next batch needs another one.
  await cluster.clock.run(node.service.append({ entries: [Buffer.alloc(3500)] }, signal));
  node.crash();
  node.disk.failWrite(nth, code);
  try {
    await cluster.clock.run(node.start());
    await cluster.clock.pass(500);
    if (node.failure !== null) return `stopped with ${node.failure.code}`;
    await cluster.clock.run(node.service.append({ entries: [Buffer.from('second')] }, signal));
    return 'appended';
  } catch (error) {
    if (error instanceof LogLogError) return error.code;
    throw error;
  } finally {
    await cluster.close();
  }
}

/** Before: the identity, term and vote, the truncation record, the end of the segment. */
const writeOfPattern = 5;

t.test('a disk that fails while a node starts stops it', async (t) => {
  for (let nth = 1; nth < writeOfPattern; nth += 1) {
    t.equal(await startedWith('EIO', nth), 'DISK_FAILED');
  }
  t.equal(await startedWith('EIO', writeOfPattern), 'stopped with DISK_FAILED');
});

t.test('a node that starts on a full disk is read-only', async (t) => {
  t.equal(await startedWith('ENOSPC', writeOfPattern), 'RESOURCE_EXHAUSTED');
});

t.test('a truncation into a sealed segment waits for room on a full disk', async (t) => {
  const { cluster, leader } = await started();
  const others = cluster.others(leader);
  cluster.peers.isolate(
    leader.id,
    cluster.nodes.map(({ id }) => id),
  );
  for (const fill of [1, 2, 3]) {
    leader.service.append({ entries: [largeEntry(fill)] }, signal).catch(() => undefined);
  }
  await cluster.clock.pass(50);
  t.ok((await leader.status()).durableOffset > 3 * segmentBytesMax, 'three more segments');
  leader.disk.full = true;
  const next = await cluster.leader(others);
  await cluster.clock.run(next.service.append({ entries: [Buffer.from('instead')] }, signal));
  cluster.peers.heal();
  await cluster.clock.pass(500);
  t.equal(leader.failure, null);
  leader.disk.full = false;
  await agree(t, cluster);
  await cluster.close();
});

t.test('a leader that cannot write stops, and nothing acknowledged is lost', async (t) => {
  const { cluster, leader, client } = await started();
  const others = cluster.others(leader);
  const upload = new Upload(cluster, leader);
  const epoch = await upload.open();
  leader.disk.failWrite(1, 'EIO');
  upload.send(dataFrame(epoch, 1, 'fails here', {}));
  await cluster.clock.pass(0);
  // More of them come before anybody has noticed.
  upload.send(dataFrame(epoch, 2, 'behind it', {}));
  await cluster.until('the node to stop', () => leader.failure !== null);
  t.equal(leader.failure?.code, 'DISK_FAILED');
  t.equal(upload.closed?.error?.code, 'UNAVAILABLE');
  leader.crash();
  const next = await cluster.leader(others);
  t.not(next, leader);
  const { end } = await cluster.clock.run(client.append('elsewhere'));
  await cluster.clock.run(leader.start());
  await agree(t, cluster);
  t.equal((await leader.status()).dataEnd, end);
  await cluster.clock.run(client.close());
  await cluster.close();
});

t.test('what is ordered while the disk fails does not bring the process down', async (t) => {
  const cluster = await EngineCluster.start({ size: 1 });
  const node = await cluster.leader();
  const upload = new Upload(cluster, node);
  const epoch = await upload.open();
  const release = node.disk.stallWrites();
  node.disk.failWrite(2, 'EIO');
  upload.send(dataFrame(epoch, 1, 'is being written', {}));
  await cluster.clock.pass(1);
  upload.send(dataFrame(epoch, 2, 'waits for that, and fails', {}));
  await cluster.clock.pass(1);
  release();
  // Ordered, and not yet given to the log when the failure comes.
  upload.send(dataFrame(epoch, 3, 'behind them', {}));
  await cluster.until('the node to stop', () => node.failure !== null);
  t.equal(node.failure?.code, 'DISK_FAILED');
  t.equal(upload.acknowledgements.size, 1, 'the first was written');
  t.equal(upload.refusals.get(3)?.outcome, 'unknown');
  await cluster.close();
});

t.test('a leader whose sync hangs is deposed, and comes back as a follower', async (t) => {
  const { cluster, leader, client } = await started();
  const release = leader.disk.stallWrites();
  const { end } = await cluster.clock.run(client.append('written by the others'));
  const next = await cluster.leader(cluster.others(leader));
  t.ok((await next.status()).commitOffset >= end);
  t.equal((await leader.status()).role, 'follower');
  release();
  await agree(t, cluster);
  t.equal(leader.failure, null);
  await cluster.clock.run(client.close());
  await cluster.close();
});
