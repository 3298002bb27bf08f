import t from 'tap';
import type { LogLogError } from '../../proto/errors.js';
import { bodyBytesMax } from '../../proto/limits.js';
import type { Page } from '../../proto/service.js';
import { creditsMax } from '../../server/readers.js';
import { dataFrame } from '../node/raw-upload.js';
import { EngineCluster } from './cluster.js';
import { Upload } from './upload.js';

const mebibyte = 2 ** 20;
const stagingBytesMax = bodyBytesMax + mebibyte;
const entry = Buffer.alloc(mebibyte, 7);

/** A cluster that stages little, and a follower in it. */
async function started(node = {}) {
  const cluster = await EngineCluster.start({
    node: { stagingBytesMax, stagingClientBytesMax: stagingBytesMax, ...node },
  });
  const leader = await cluster.leader();
  const [follower] = cluster.others(leader);
  return { cluster, leader, follower };
}

t.test('a full pool pauses its client, and references make room again', async (t) => {
  const { cluster, leader, follower } = await started();
  const toLeader = new Upload(cluster, leader);
  const epoch = await toLeader.open();
  await cluster.settled();
  const toFollower = new Upload(cluster, follower);
  const sent = toFollower.sendUntilFull((sequence) => dataFrame(epoch, sequence, entry));
  const { heldBytes } = (await follower.status()).staged;
  t.ok(heldBytes <= stagingBytesMax && heldBytes > stagingBytesMax - 2 * mebibyte);
  await cluster.clock.pass(50);
  t.equal(toFollower.drains, 0);
  const uploadedTo = 1 << cluster.nodes.indexOf(follower);
  for (let sequence = 1; sequence <= sent; sequence += 1) {
    toLeader.send(dataFrame(epoch, sequence, entry, { uploadedTo }));
    await toLeader.acknowledged(sequence);
  }
  t.equal(toFollower.drains, 1);
  await cluster.settled();
  const counters = (await follower.status()).staged;
  t.match(counters, { matchedBatches: sent, inlinedBatches: 0, heldBytes: 0 });
  await cluster.close();
});

t.test('a full pool has room again when what nobody ordered is too old', async (t) => {
  const { cluster, follower } = await started({ stagedAgeMsMax: 3000 });
  const upload = new Upload(cluster, follower);
  const sent = upload.sendUntilFull((sequence) => dataFrame(1, sequence, entry));
  await cluster.clock.pass(2500);
  t.equal(upload.drains, 0);
  await cluster.clock.pass(2000);
  t.equal(upload.drains, 1);
  t.match((await follower.status()).staged, { heldBatches: 1, expired: sent - 1 });
  await cluster.close();
});

t.test('a client that sends on when it was asked to wait is cut off', async (t) => {
  const { cluster, follower } = await started();
  const upload = new Upload(cluster, follower);
  const sent = upload.sendUntilFull((sequence) => dataFrame(1, sequence, entry));
  upload.send(dataFrame(1, sent + 1, entry));
  t.equal(upload.closed?.error?.code, 'RESOURCE_EXHAUSTED');
  await cluster.close();
});

t.test('a tail gets a page for each credit and holds nobody up without', async (t) => {
  const cluster = await EngineCluster.start();
  const client = cluster.client();
  const leader = await cluster.leader();
  const pages: Page[] = [];
  let closed: LogLogError | undefined;
  const tail = leader.service.tail(
    { offset: 0, limit: 1 },
    { onPage: (page) => pages.push(page), onClose: (error) => (closed = error) },
  );
  for (let i = 0; i < 10; i += 1) await cluster.clock.run(client.append(`entry ${i}`));
  t.equal(pages.length, 0);
  tail.credit(3);
  await cluster.clock.pass(10);
  t.equal(pages.length, 3);
  tail.credit(100);
  await cluster.clock.pass(10);
  const read = pages.length;
  const { commitOffset } = await leader.status();
  t.equal(pages.at(-1)?.next, commitOffset);
  for (const [index, { offset }] of pages.entries()) {
    t.equal(offset, index === 0 ? 0 : pages[index - 1]?.next, 'pages follow each other');
  }
  await cluster.clock.run(client.append('one more'));
  t.equal(pages.length, read + 1, 'what comes is sent as it comes');
  tail.credit(creditsMax);
  t.equal(closed?.code, 'INVALID_ARGUMENT');
  await cluster.clock.run(client.close());
  await cluster.close();
});
