import t from 'tap';
import { encodeEntries } from '../../proto/entries.js';
import { bodyChecksum } from '../../proto/checksum.js';
import { LogLogError } from '../../proto/errors.js';
import type { UploadFrame } from '../../proto/service.js';
import { pendingBytesMax } from '../../server/orderer.js';
import { dataFrame } from '../node/raw-upload.js';
import type { TestNode } from './cluster.js';
import { EngineCluster } from './cluster.js';
import { Upload } from './upload.js';

const { signal } = new AbortController();

const largeBytes = 4 * 2 ** 20;

/** A cluster that has settled, and an epoch opened at its leader. */
async function started() {
  const cluster = await EngineCluster.start();
  const leader = await cluster.leader();
  const upload = new Upload(cluster, leader);
  const epoch = await upload.open();
  await cluster.settled();
  return { cluster, leader, upload, epoch };
}

/** The leader is cut off, and then orders a batch that nobody else hears of. */
function orderAlone(cluster: EngineCluster, leader: TestNode, upload: Upload, epoch: number): void {
  cluster.peers.isolate(
    leader.id,
    cluster.nodes.map(({ id }) => id),
  );
  upload.send(dataFrame(epoch, 1, 'mine', {}));
}

/** Of one entry, for the leader. */
function largeFrame(epoch: number, sequence: number): UploadFrame {
  const body = encodeEntries([Buffer.alloc(largeBytes)]);
  const checksum = { entryCount: 1, bodyChecksum: bodyChecksum(body), body };
  const append = { follows: sequence - 1, uploadedTo: 0 };
  return { kind: 'data', epoch, sequence, ...checksum, append };
}

async function codeOf(outcome: Promise<unknown>): Promise<string> {
  try {
    await outcome;
    return 'none';
  } catch (error) {
    if (error instanceof LogLogError) return `${error.code} ${error.outcome}`;
    throw error;
  }
}

t.test(
  'what a deposed leader ordered is unknown, cut off, and comes once by a retry',
  async (t) => {
    const { cluster, leader: old, upload, epoch } = await started();
    const others = cluster.others(old);
    orderAlone(cluster, old, upload, epoch);
    await cluster.clock.pass(20);
    const { endOffset, commitOffset } = await old.status();
    t.ok(endOffset > commitOffset, 'it is in the log of the old leader');
    const error = await upload.refused(1);
    t.equal(error.outcome, 'unknown');
    t.not(error.leader?.id, old.id, 'it sends nobody back to itself');
    const next = await cluster.leader(others);
    await cluster.clock.run(next.service.append({ entries: [Buffer.from('between')] }, signal));
    cluster.peers.heal();
    await cluster.settled();
    const again = new Upload(cluster, next);
    for (const frame of [dataFrame(epoch, 1, 'mine', {}), dataFrame(epoch, 1, 'mine', {})]) {
      again.send(frame);
    }
    const { offset, end } = await again.acknowledged(1);
    t.ok(offset > commitOffset);
    const statuses = await cluster.settled();
    for (const { dataEnd, commitOffset: committed } of statuses) {
      t.equal(dataEnd, end, 'nothing came behind it');
      t.equal(committed, end);
    }
    await cluster.close();
  },
);

t.test('a leader whose log was cut has forgotten who wrote what is gone', async (t) => {
  const { cluster, leader: old, upload, epoch } = await started();
  const others = cluster.others(old);
  orderAlone(cluster, old, upload, epoch);
  await upload.refused(1);
  const next = await cluster.leader(others);
  const between = { entries: [Buffer.from('between')] };
  const { end } = await cluster.clock.run(next.service.append(between, signal));
  cluster.peers.heal();
  await cluster.settled();
  await cluster.clock.run(next.service.transfer({ to: old.id }, signal));
  const again = new Upload(cluster, await cluster.leader([old]));
  again.send(dataFrame(epoch, 1, 'mine', {}));
  t.ok((await again.acknowledged(1)).offset >= end, 'the retry is ordered, behind what came');
  await cluster.close();
});

t.test(
  'an append that was ordered before the leader lost its place is no second one',
  async (t) => {
    const { cluster, leader: old, upload, epoch } = await started();
    // The followers write the batch, and the leader never hears of it.
    cluster.peers.passes = (_from, to, message) =>
      to !== old.id || !['appendReply', 'heartbeatReply'].includes(message.type);
    upload.send(dataFrame(epoch, 1, 'mine', {}));
    const error = await upload.refused(1);
    t.equal(error.outcome, 'unknown');
    cluster.peers.passes = () => true;
    const next = await cluster.leader();
    const again = new Upload(cluster, next);
    again.send(dataFrame(epoch, 1, 'mine', {}));
    const { offset, end } = await again.acknowledged(1);
    t.equal(offset, epoch + 96, 'the first place it had');
    for (const { dataEnd } of await cluster.settled()) t.equal(dataEnd, end);
    await cluster.close();
  },
);

t.test('appends that wait for room wake when the leader is deposed', async (t) => {
  const { cluster, leader: old, upload, epoch } = await started();
  cluster.peers.isolate(
    old.id,
    cluster.nodes.map(({ id }) => id),
  );
  const sent = upload.sendUntilFull((sequence) => largeFrame(epoch, sequence));
  t.ok(sent * largeBytes > pendingBytesMax - largeBytes);
  const waiting = codeOf(old.service.append({ entries: [Buffer.from('waits')] }, signal));
  let isOver = false;
  void waiting.then(() => (isOver = true));
  await cluster.clock.pass(50);
  t.notOk(isOver, 'there is no room');
  await cluster.until('the append to end', () => isOver);
  t.equal(await waiting, 'NO_LEADER none');
  await cluster.until('the stream to go on', () => upload.drains > 0);
  await cluster.close();
});

t.test('appends that wait for a quorum or for room are told when a leader stops', async (t) => {
  const { cluster, leader, upload, epoch } = await started();
  cluster.peers.passes = (_from, to) => to !== leader.id;
  upload.sendUntilFull((sequence) => largeFrame(epoch, sequence));
  const waiting = codeOf(leader.service.append({ entries: [Buffer.from('x')] }, signal));
  await cluster.clock.run(leader.stop());
  t.match(await cluster.clock.run(waiting), /^(SHUTTING_DOWN|NO_LEADER) none$/);
  t.equal(upload.refusals.get(1)?.outcome, 'unknown');
  t.equal(upload.closed?.error?.code, 'SHUTTING_DOWN');
  await cluster.close();
});

t.test('what was ordered in the turn in which a node stops goes nowhere', async (t) => {
  const cluster = await EngineCluster.start({ size: 1, diskDelayMs: () => 1 });
  const node = await cluster.leader();
  const upload = new Upload(cluster, node);
  const epoch = await upload.open();
  upload.send(dataFrame(epoch, 1, 'too late', {}));
  await cluster.clock.run(node.stop());
  t.equal(upload.refusals.get(1)?.outcome, 'unknown');
  await cluster.clock.run(node.start());
  const { dataEnd } = await (await cluster.leader()).status();
  t.equal(dataEnd, 0);
  await cluster.close();
});

t.test('everybody who reads is told when a node stops', async (t) => {
  const cluster = await EngineCluster.start();
  const [follower] = cluster.others(await cluster.leader());
  await cluster.settled();
  const { service } = follower;
  const { commitOffset } = await follower.status();
  const reading = codeOf(service.read({ offset: commitOffset, limit: 1, waitMs: 60_000 }, signal));
  let tailEnd: LogLogError | undefined;
  service
    .tail({ offset: 0, limit: 1 }, { onPage: () => undefined, onClose: (e) => (tailEnd = e) })
    .credit(1);
  cluster.peers.passes = (from) => from !== follower.id;
  const asking = codeOf(service.end({ linearizable: true }, signal));
  await cluster.clock.run(follower.stop());
  t.equal(await cluster.clock.run(reading), 'SHUTTING_DOWN none');
  t.equal(await cluster.clock.run(asking), 'SHUTTING_DOWN none');
  t.equal(tailEnd?.code, 'SHUTTING_DOWN');
  await cluster.close();
});

t.test('readers that wait are woken by a change of leader', async (t) => {
  const cluster = await EngineCluster.start();
  const leader = await cluster.leader();
  const [follower] = cluster.others(leader);
  await cluster.settled();
  const { commitOffset } = await follower.status();
  const request = { offset: commitOffset, limit: 1000, waitMs: 50_000 };
  const before = cluster.clock.monotonicMs();
  const reading = follower.service.read(request, signal);
  leader.crash();
  const page = await cluster.clock.run(reading);
  t.equal(page.offset, commitOffset);
  t.ok(cluster.clock.monotonicMs() - before < 10_000);
  await cluster.close();
});

t.test('a follower far behind is brought up from the disk, across segments', async (t) => {
  const cluster = await EngineCluster.start({ node: { recentBytesMax: 2 ** 20 } });
  const leader = await cluster.leader();
  const [behind, other] = cluster.others(leader);
  await cluster.settled();
  behind.crash();
  const client = cluster.client();
  const writer = client.writer({ batchBytes: 10_000 });
  const write = async () => {
    for (let i = 0; i < 1500; i += 1) await writer.write(Buffer.alloc(2000, i % 256));
    await writer.flush();
  };
  await cluster.clock.run(write());
  // Who leads now has none of it in memory.
  for (const node of [leader, other]) await cluster.clock.run(node.stop());
  for (const node of [leader, other]) await cluster.clock.run(node.start());
  await cluster.clock.run(behind.start());
  const statuses = await cluster.settled();
  t.equal(new Set(statuses.map(({ chain }) => chain)).size, 1);
  t.ok((await behind.status()).commitOffset > 2_900_000);
  await cluster.clock.run(client.close());
  await cluster.close();
});

t.test('a node that stops hands over, and nobody waits for an election', async (t) => {
  const cluster = await EngineCluster.start();
  const leader = await cluster.leader();
  await cluster.settled();
  const before = cluster.clock.monotonicMs();
  await cluster.clock.run(leader.stop());
  const next = await cluster.leader(cluster.others(leader));
  t.not(next, leader);
  t.ok(cluster.clock.monotonicMs() - before < 100);
  await cluster.close();
});

t.test('every node knows who leads and where all of them serve', async (t) => {
  const cluster = await EngineCluster.start();
  const nodes = cluster.nodes.map(({ id, address }) => ({ id, address }));
  const leader = await cluster.leader();
  for (const status of await cluster.settled()) {
    t.same(status.nodes, nodes);
    t.same(status.leader.leader, { id: leader.id, address: leader.address });
  }
  const [follower] = cluster.others(leader);
  const append = follower.service.append({ entries: [Buffer.from('x')] }, signal);
  await t.rejects(cluster.clock.run(append), {
    code: 'NOT_LEADER',
    leader: { id: leader.id, address: leader.address },
  });
  await cluster.close();
});
