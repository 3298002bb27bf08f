import t from 'tap';
import type { AppendOrder } from '../../proto/service.js';
import { dataFrame } from '../node/raw-upload.js';
import type { TestNode } from './cluster.js';
import { EngineCluster } from './cluster.js';
import { Upload } from './upload.js';

async function staged(node: TestNode) {
  return (await node.status()).staged;
}

/** A cluster, an epoch opened at its leader, and an upload stream to every node. */
async function opened(referenceWaitMs: number) {
  const cluster = await EngineCluster.start({ node: { referenceWaitMs } });
  const leader = await cluster.leader();
  const followers = cluster.others(leader);
  const toLeader = new Upload(cluster, leader);
  const epoch = await toLeader.open();
  const toFollowers = followers.map((node) => new Upload(cluster, node));
  return { cluster, leader, followers, toLeader, toFollowers, epoch };
}

t.test('a reference waits for a body that comes a little late', async (t) => {
  const { cluster, followers, toLeader, toFollowers, epoch } = await opened(100);
  toLeader.send(dataFrame(epoch, 1, 'late', { uploadedTo: 0b111 }));
  await cluster.clock.pass(80);
  t.equal(toLeader.acknowledgements.size, 0, 'no quorum has the bytes yet');
  for (const one of toFollowers) one.send(dataFrame(epoch, 1, 'late'));
  await toLeader.acknowledged(1);
  await cluster.settled();
  for (const node of followers) t.match(await staged(node), { matchedBatches: 1, missing: 0 });
  await cluster.close();
});

t.test('what waits behind a late body comes in order', async (t) => {
  const { cluster, leader, followers, toLeader, toFollowers, epoch } = await opened(100);
  for (let sequence = 1; sequence <= 5; sequence += 1) {
    toLeader.send(dataFrame(epoch, sequence, `entry ${sequence}`, { uploadedTo: 0b111 }));
    await cluster.clock.pass(5);
  }
  for (const sequence of [5, 3, 4, 2, 1]) {
    for (const one of toFollowers) one.send(dataFrame(epoch, sequence, `entry ${sequence}`));
    if (sequence > 1) t.equal(toLeader.acknowledgements.size, 0);
  }
  await toLeader.acknowledged(5);
  const chains = (await cluster.settled()).map(({ chain }) => chain);
  t.equal(new Set(chains).size, 1);
  for (const node of followers) t.match(await staged(node), { matchedBatches: 5, missing: 0 });
  t.equal((await leader.status()).dataEnd, (await toLeader.acknowledged(5)).end);
  await cluster.close();
});

t.test('a body is waited for while the uploads before it come in', async (t) => {
  const { cluster, followers, toLeader, toFollowers, epoch } = await opened(20);
  const sequences = [1, 2, 3, 4, 5];
  const send = (to: Upload, sequence: number, order?: Partial<AppendOrder>) =>
    to.send(dataFrame(epoch, sequence, `entry ${sequence}`, order));
  for (const sequence of sequences) send(toLeader, sequence, { uploadedTo: 0b111 });
  for (const sequence of sequences) {
    await cluster.clock.pass(15);
    for (const one of toFollowers) send(one, sequence);
  }
  await toLeader.acknowledged(5);
  await cluster.settled();
  for (const node of followers) t.match(await staged(node), { matchedBatches: 5, missing: 0 });
  await cluster.close();
});

t.test('a slow body is waited for if its producer has uploaded not long ago', async (t) => {
  const { cluster, followers, toLeader, toFollowers, epoch } = await opened(20);
  for (const one of toFollowers) one.send(dataFrame(epoch, 1, 'at once'));
  toLeader.send(dataFrame(epoch, 1, 'at once', { uploadedTo: 0b111 }));
  await toLeader.acknowledged(1);
  await cluster.clock.pass(50);
  toLeader.send(dataFrame(epoch, 2, 'slowly', { uploadedTo: 0b111 }));
  await cluster.clock.pass(100);
  for (const one of toFollowers) one.send(dataFrame(epoch, 2, 'slowly'));
  await toLeader.acknowledged(2);
  await cluster.settled();
  for (const node of followers) t.match(await staged(node), { matchedBatches: 2, missing: 0 });
  await cluster.close();
});

t.test('a body that others overtake is fetched all the same, after ten waits', async (t) => {
  const { cluster, followers, toLeader, toFollowers, epoch } = await opened(20);
  toLeader.send(dataFrame(epoch, 1, 'lost', { uploadedTo: 0b111 }));
  for (let sequence = 2; sequence <= 25; sequence += 1) {
    await cluster.clock.pass(10);
    for (const one of toFollowers) one.send(dataFrame(epoch, sequence, 'not ordered yet'));
    if (sequence === 19) t.equal(toLeader.acknowledgements.size, 0);
  }
  t.equal(toLeader.acknowledgements.size, 1, 'while others still come');
  for (const node of followers) t.match(await staged(node), { matchedBatches: 0, missing: 1 });
  await cluster.close();
});

t.test('the end, asked of a node that waits for a body, counts what is acknowledged', async (t) => {
  const { cluster, followers, toLeader, toFollowers, epoch } = await opened(500);
  const [, waiting] = followers;
  const frame = dataFrame(epoch, 1, 'not everywhere');
  toFollowers[0]?.send(frame);
  toLeader.send({ ...frame, append: { follows: 0, uploadedTo: 0b111 } });
  const { end } = await toLeader.acknowledged(1);
  t.ok((await waiting.status()).endOffset < end);
  const { signal } = new AbortController();
  const asked = waiting.service.end({ linearizable: true }, signal);
  t.equal((await cluster.clock.run(asked)).dataEnd, end);
  await cluster.close();
});

t.test('a body that never comes is fetched, again if the answer is lost', async (t) => {
  const { cluster, followers, toLeader, epoch } = await opened(20);
  let answersLost = 0;
  cluster.peers.passes = (_from, _to, message) => {
    if (message.type !== 'bodies' || answersLost >= 4) return true;
    answersLost += 1;
    return false;
  };
  toLeader.send(dataFrame(epoch, 1, 'never uploaded', { uploadedTo: 0b111 }));
  await toLeader.acknowledged(1);
  await cluster.settled();
  t.equal(answersLost, 4);
  for (const node of followers) t.match(await staged(node), { matchedBatches: 0, missing: 1 });
  await cluster.close();
});

t.test('a wrong body is dropped, and the right one fetched', async (t) => {
  const { cluster, followers, toLeader, toFollowers, epoch } = await opened(20);
  for (const one of toFollowers) one.send(dataFrame(epoch, 1, 'another'));
  toLeader.send(dataFrame(epoch, 1, 'ordered', { uploadedTo: 0b111 }));
  await toLeader.acknowledged(1);
  const statuses = await cluster.settled();
  t.equal(new Set(statuses.map(({ chain }) => chain)).size, 1);
  for (const node of followers) {
    t.match(await staged(node), { mismatched: 1, matchedBatches: 0, heldBatches: 0 });
  }
  await cluster.close();
});

t.test('a body that comes after its batch is not kept', async (t) => {
  const { cluster, followers, toLeader, toFollowers, epoch } = await opened(20);
  toLeader.send(dataFrame(epoch, 1, 'only to the leader', { uploadedTo: 0 }));
  await toLeader.acknowledged(1);
  await cluster.settled();
  for (const one of toFollowers) one.send(dataFrame(epoch, 1, 'only to the leader'));
  await cluster.clock.pass(50);
  for (const node of followers) {
    t.match(await staged(node), { inlinedBatches: 1, stagedBatches: 0, heldBatches: 0 });
  }
  await cluster.close();
});

t.test('asking a deposed leader for a body that is gone harms nobody', async (t) => {
  const { cluster, leader, toLeader, epoch } = await opened(400);
  const { clock, peers } = cluster;
  const [asking, next] = cluster.others(leader);
  peers.cut(leader.id, next.id);
  toLeader.send(dataFrame(epoch, 1, 'first of two'.repeat(9), { uploadedTo: 0b111 }));
  toLeader.send(dataFrame(epoch, 2, 'second of two', { uploadedTo: 0b111 }));
  await clock.pass(100);
  peers.cut(leader.id, asking.id);
  // Only a vote gets through: `asking` never hears its new leader, and goes on asking the old one.
  peers.passes = (from, to, message) =>
    from !== next.id || to !== asking.id || message.type === 'voteRequest';
  await cluster.leader([next]);
  peers.cut(next.id, asking.id);
  peers.join(next.id, leader.id);
  await cluster.settled([leader, next]);
  const append = next.service.append(
    { entries: [Buffer.alloc(1000)] },
    new AbortController().signal,
  );
  await clock.run(append);
  await cluster.settled([leader, next]);
  let requests = 0;
  peers.passes = (_from, to, message) => {
    if (message.type === 'bodyRequest' && to === leader.id) requests += 1;
    return true;
  };
  peers.join(leader.id, asking.id);
  await clock.pass(1000);
  t.ok(requests > 0, 'it is still asked');
  peers.heal();
  await cluster.settled();
  t.equal(leader.failure, null);
  await cluster.close();
});

t.test('a body that the leader does not give is asked of the client', async (t) => {
  const { cluster, followers, toLeader, toFollowers, epoch } = await opened(20);
  cluster.peers.passes = (_from, _to, message) => message.type !== 'bodies';
  toLeader.send(dataFrame(epoch, 1, 'lost on its way', { uploadedTo: 0b111 }));
  await cluster.until('both followers to ask', () =>
    toFollowers.every((one) => one.missing.has(1)),
  );
  t.equal(toLeader.acknowledgements.size, 0, 'no quorum has the bytes yet');
  for (const one of toFollowers) one.send(dataFrame(epoch, 1, 'lost on its way'));
  await toLeader.acknowledged(1);
  await cluster.settled();
  for (const node of followers) t.match(await staged(node), { matchedBatches: 1, missing: 1 });
  await cluster.close();
});
