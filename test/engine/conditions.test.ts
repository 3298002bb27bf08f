/** Conditional appends and retries: what decides them, and what an answer may say. */
import type { Test } from 'tap';
import t from 'tap';
import { dataFrame } from '../node/raw-upload.js';
import { EngineCluster } from './cluster.js';
import { Upload } from './upload.js';

/** A cluster with an entry in it, and an open upload to its leader. */
async function started(t: Test) {
  const cluster = await EngineCluster.start();
  const leader = await cluster.leader();
  const client = cluster.client();
  const { end } = await cluster.clock.run(client.append('first'));
  const upload = new Upload(cluster, leader);
  const epoch = await upload.open();
  t.teardown(() => cluster.close());
  return { cluster, leader, client, upload, epoch, end };
}

t.test('a retry of what was accepted is no conflict, although the end has moved', async (t) => {
  const { cluster, client, upload, epoch, end } = await started(t);
  const frame = dataFrame(epoch, 1, 'expected', { expect: end });
  upload.send(frame);
  const original = await upload.acknowledged(1);
  await cluster.clock.run(client.append('behind it'));
  upload.acknowledgements.clear();
  upload.send(frame);
  t.same(await upload.acknowledged(1), original);
  t.equal(upload.refusals.size, 0);
});

t.test('a retry is acknowledged when its original is committed, and not before', async (t) => {
  const { cluster, leader, upload, epoch } = await started(t);
  for (const follower of cluster.others(leader)) follower.diskDelayMs = () => 300;
  const frame = dataFrame(epoch, 1, 'slow', {});
  upload.send(frame);
  await cluster.clock.pass(100);
  upload.send(frame);
  await cluster.clock.pass(100);
  t.same([upload.acknowledgements.size, upload.refusals.size], [0, 0]);
  t.equal((await upload.acknowledged(1)).offset, epoch + 96);
});

t.test('a retry of what was accepted is no conflict, although the token has changed', async (t) => {
  const { cluster, client, upload, epoch } = await started(t);
  await cluster.clock.run(client.fence(Buffer.from('mine')));
  const frame = dataFrame(epoch, 1, 'mine', { token: Buffer.from('mine') });
  upload.send(frame);
  const original = await upload.acknowledged(1);
  await cluster.clock.run(client.fence(Buffer.from('theirs')));
  upload.acknowledgements.clear();
  upload.send(frame);
  t.same(await upload.acknowledged(1), original);
});

t.test('only the token in force lets an append in', async (t) => {
  const { cluster, client, upload, epoch } = await started(t);
  const token = Buffer.from('mine');
  upload.send(dataFrame(epoch, 1, 'too early', { token }));
  t.match(await upload.refused(1), { code: 'TOKEN_MISMATCH', outcome: 'none' });
  await cluster.clock.run(client.fence(token));
  upload.send(dataFrame(epoch, 2, 'in force', { token, follows: 0 }));
  await upload.acknowledged(2);
  await cluster.clock.run(client.fence(Buffer.from('theirs')));
  upload.send(dataFrame(epoch, 3, 'too late', { token }));
  t.match(await upload.refused(3), { code: 'TOKEN_MISMATCH', outcome: 'none' });
});

t.test('an end that is passed is refused for good, one that is ahead is not', async (t) => {
  const { upload, epoch, end } = await started(t);
  upload.send(dataFrame(epoch, 1, 'too late', { expect: 0 }));
  t.match(await upload.refused(1), { code: 'CONDITION_FAILED', end, outcome: 'none' });
  const early = dataFrame(epoch, 2, 'early', { expect: end, follows: 0 });
  upload.send({ ...early, append: { follows: 0, uploadedTo: 0, expect: end + 1 } });
  t.match(await upload.refused(2), { code: 'CONDITION_AHEAD', end, outcome: 'unknown' });
  upload.send(early);
  t.ok((await upload.acknowledged(2)).offset >= end, 'and may be tried again');
});

t.test('nothing is refused for the sake of what is not committed', async (t) => {
  const { cluster, leader, upload, epoch } = await started(t);
  for (const follower of cluster.others(leader)) follower.diskDelayMs = () => 300;
  upload.send(dataFrame(epoch, 1, 'slow', {}));
  upload.send(dataFrame(epoch, 2, 'refused', { expect: 0 }));
  await cluster.clock.pass(200);
  t.same([upload.acknowledgements.size, upload.refusals.size], [0, 0]);
  t.match(await upload.refused(2), { code: 'CONDITION_FAILED' });
  t.ok(upload.acknowledgements.has(1), 'what it rests on is acknowledged before');
});
