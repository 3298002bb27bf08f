/** Retries find the original; refusals are true. */
import t from 'tap';
import { grpcTransport } from '../../client/index.js';
import { LogLogError } from '../../index.js';
import type { UploadFrame } from '../../proto/service.js';
import { everything, TestCluster } from './cluster.js';
import { forge } from './forgery.js';
import { dataFrame, RawUpload } from './raw-upload.js';

const producer = '0123456789abcdef';

/** What the leader of the moment answers to a frame sent again. */
async function retry(cluster: TestCluster, frame: UploadFrame) {
  const leader = await cluster.leader();
  const upload = new RawUpload(leader.address, producer);
  upload.send(frame);
  const acknowledgement = await upload.acknowledged(frame.sequence);
  upload.close();
  return acknowledgement;
}

t.test('a retry gets the original offset, whatever has happened since', async (t) => {
  const cluster = await TestCluster.start(3);
  t.teardown(() => cluster.close());
  const first = await cluster.leader();
  const upload = new RawUpload(first.address, producer);
  const epoch = await upload.open(1001);
  const frame = dataFrame(epoch, 1, 'once', {});
  upload.send(frame);
  const original = await upload.acknowledged(1);
  upload.close();
  t.same(await retry(cluster, frame), original, 'on the same leader');

  const client = await cluster.client();
  const { leader } = await client.transfer();
  t.not(leader, first.id);
  t.same(await retry(cluster, frame), original, 'on the next leader');

  const ids = [...cluster.nodes.keys()];
  await Promise.all(ids.map((id) => cluster.stopNode(id)));
  await Promise.all(ids.map((id) => cluster.startNode(id)));
  t.same(await retry(cluster, frame), original, 'after a restart of all nodes');

  await cluster.settled();
  for (const id of ids) {
    const text = (await everything(client, id, 1000)).toString('latin1');
    t.equal(text.split('once').length - 1, 1, `${id} has it once`);
  }
});

t.test('other bytes with the checksum of the first are no retry', async (t) => {
  const cluster = await TestCluster.start(1);
  t.teardown(() => cluster.close());
  const upload = new RawUpload((await cluster.leader()).address, producer);
  t.teardown(() => upload.close());
  const epoch = await upload.open(1001);
  const honest = dataFrame(epoch, 1, 'pay Alice 100'.padEnd(40), {});
  upload.send(honest);
  await upload.acknowledged(1);
  const forged = dataFrame(
    epoch,
    1,
    forge(honest.body, Buffer.from('pay Mallory 9'.padEnd(40))),
    {},
  );
  t.equal(forged.bodyChecksum, honest.bodyChecksum);
  upload.send(forged);
  t.equal((await upload.refused(1)).code, 'SEQUENCE_REUSED');
});

t.test('an epoch that was fenced off stays so on every later leader', async (t) => {
  const cluster = await TestCluster.start(3);
  t.teardown(() => cluster.close());
  const upload = new RawUpload((await cluster.leader()).address, producer);
  const old = await upload.open(1001);
  await upload.open(1002);
  upload.close();
  const client = await cluster.client();
  await client.transfer();
  const late = new RawUpload((await cluster.leader()).address, producer);
  t.teardown(() => late.close());
  late.send(dataFrame(old, 1, 'late', {}));
  t.equal((await late.refused(1)).code, 'EPOCH_FENCED');
});

t.test('a leader that no quorum confirms refuses nothing for the sake of its state', async (t) => {
  const cluster = await TestCluster.start(3, { electionTimeoutMs: 1000 });
  t.teardown(() => cluster.close());
  const client = await cluster.client();
  await client.append('something');
  const leader = await cluster.leader();
  const connection = grpcTransport.open(leader.address);
  t.teardown(() => connection.close());
  const append = () =>
    connection.service
      .append({ entries: [Buffer.from('conflict')], expect: 0 }, new AbortController().signal)
      .catch((error: unknown) => error);
  const confirmed = await append();
  t.ok(confirmed instanceof LogLogError && confirmed.code === 'CONDITION_FAILED');

  const followers = await cluster.followers();
  await Promise.all(followers.map(({ id }) => cluster.stopNode(id)));
  t.equal((await leader.status()).role, 'leader', 'it does not know yet that it is alone');
  const alone = await append();
  t.ok(alone instanceof LogLogError);
  if (alone instanceof LogLogError) t.match(alone.code, /^(NOT_LEADER|NO_LEADER)$/);
});
