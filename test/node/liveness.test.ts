import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import t from 'tap';
import { uploadedBodyBytesMinDefault } from '../../client/producer.js';
import type { Node } from '../../index.js';
import { everything, TestCluster, until } from './cluster.js';
import { forge } from './forgery.js';
import { dataFrame, openFrame, RawUpload } from './raw-upload.js';

const producer = 'a1b2c3d4e5f60718';

async function staged(node: Node) {
  return (await node.status()).staged;
}

async function sameEverywhere(test: Pick<typeof t, 'equal'>, cluster: TestCluster): Promise<void> {
  await cluster.settled();
  const client = await cluster.client();
  const hashes = new Set<string>();
  for (const id of cluster.nodes.keys()) {
    const bytes = await everything(client, id, 100_000);
    hashes.add(createHash('sha256').update(bytes).digest('hex'));
  }
  test.equal(hashes.size, 1, 'every node holds the same bytes');
}

t.test('on a healthy cluster followers write what clients sent them', async (t) => {
  const cluster = await TestCluster.start(3);
  t.teardown(() => cluster.close());
  const client = await cluster.client();
  for (let i = 1; i <= 1000; i += 1) {
    await client.append(Buffer.alloc(uploadedBodyBytesMinDefault + i * 10, i % 256));
  }
  await cluster.settled();
  for (const follower of await cluster.followers()) {
    const { matchedBatches, matchedBytes, inlinedBatches } = await staged(follower);
    const share = matchedBatches / (matchedBatches + inlinedBatches);
    t.ok(share >= 0.99, `${follower.id}: ${(100 * share).toFixed(2)} % from staged uploads`);
    t.ok(matchedBytes > 16_000_000);
  }
});

t.test('a follower that clients cannot reach gets every batch inline', async (t) => {
  const cluster = await TestCluster.start(3);
  t.teardown(() => cluster.close());
  await cluster.leader();
  const [follower] = await cluster.followers();
  const id = follower?.id ?? '';
  await cluster.stopNode(id);
  // Port 1 refuses connections, so this is what a firewall between clients and the node looks like.
  const unreachable = await cluster.startNode(id, { advertise: '127.0.0.1:1' });
  const others = cluster.addresses.filter((address) => address !== cluster.optionsOf(id).listen);
  const client = await cluster.client(others);
  for (let i = 0; i < 50; i += 1) await client.append(`entry ${i}`);
  await cluster.settled();
  const counters = await staged(unreachable);
  t.equal(counters.matchedBatches, 0);
  t.ok(counters.inlinedBatches >= 50, `${counters.inlinedBatches} batches inline`);
  await sameEverywhere(t, cluster);
});

t.test('a client that reaches only the leader can append', async (t) => {
  const cluster = await TestCluster.start(3);
  t.teardown(() => cluster.close());
  const leader = await cluster.leader();
  const upload = new RawUpload(leader.address, producer);
  t.teardown(() => upload.close());
  const epoch = await upload.open(77);
  upload.send(dataFrame(epoch, 1, 'only here', { uploadedTo: 0 }));
  await upload.acknowledged(1);
  await sameEverywhere(t, cluster);
  for (const follower of await cluster.followers()) {
    t.equal((await staged(follower)).missing, 0, 'nothing had to be fetched');
  }
});

t.test('a client that claims uploads which it never made delays nobody for long', async (t) => {
  const cluster = await TestCluster.start(3);
  t.teardown(() => cluster.close());
  const leader = await cluster.leader();
  const upload = new RawUpload(leader.address, producer);
  t.teardown(() => upload.close());
  const epoch = await upload.open(78);
  for (let sequence = 1; sequence <= 20; sequence += 1) {
    upload.send(dataFrame(epoch, sequence, `claim ${sequence}`, { uploadedTo: 0b111 }));
  }
  await upload.acknowledged(20);
  await sameEverywhere(t, cluster);
  for (const follower of await cluster.followers()) {
    t.ok((await staged(follower)).missing >= 1, 'what was missing was fetched');
  }
});

t.test('an upload that arrives after its reference is used all the same', async (t) => {
  const cluster = await TestCluster.start(3, { referenceWaitMs: 5000 });
  t.teardown(() => cluster.close());
  const leader = await cluster.leader();
  const followers = await cluster.followers();
  const upload = new RawUpload(leader.address, producer);
  const late = followers.map(({ address }) => new RawUpload(address, producer));
  t.teardown(() => [upload, ...late].forEach((one) => one.close()));
  const epoch = await upload.open(79);
  upload.send(dataFrame(epoch, 1, 'late', { uploadedTo: 0b111 }));
  await until('the reference to be written by the leader', async () => {
    const { endOffset, durableOffset } = await leader.status();
    return endOffset > epoch + 96 && durableOffset === endOffset;
  });
  t.equal(upload.acknowledgements.length, 1, 'only the opening is acknowledged yet');
  for (const one of late) one.send(dataFrame(epoch, 1, 'late'));
  await upload.acknowledged(1);
  await sameEverywhere(t, cluster);
  for (const follower of followers) {
    const counters = await staged(follower);
    t.equal(counters.matchedBatches, 1);
    t.equal(counters.missing, 0);
  }
});

t.test('a client that dies in mid-upload leaves nothing but what ages out', async (t) => {
  const cluster = await TestCluster.start(3, { stagedAgeMsMax: 300 });
  t.teardown(() => cluster.close());
  await cluster.leader();
  const [follower] = await cluster.followers();
  if (follower === undefined) throw new Error('three nodes have followers');
  const dying = new RawUpload(follower.address, producer);
  dying.send(dataFrame(1, 1, 'never ordered'));
  await until('the body to be staged', async () => (await staged(follower)).heldBatches === 1);
  dying.close();
  await until('it to age out', async () => (await staged(follower)).expired === 1);
  t.equal((await staged(follower)).heldBytes, 0);
  const client = await cluster.client();
  await client.append('others go on');
  await sameEverywhere(t, cluster);
});

t.test('of two clients with one producer id the later fences the earlier off', async (t) => {
  const cluster = await TestCluster.start(3);
  t.teardown(() => cluster.close());
  const leader = await cluster.leader();
  const [first, second] = [1, 2].map(() => new RawUpload(leader.address, producer));
  if (first === undefined || second === undefined) throw new Error('two streams');
  t.teardown(() => [first, second].forEach((one) => one.close()));
  const firstEpoch = await first.open(5);
  first.send(dataFrame(firstEpoch, 1, 'mine', {}));
  await first.acknowledged(1);
  t.equal(await first.open(5), firstEpoch, 'opening again under the same token is a retry');
  const secondEpoch = await second.open(6);
  t.ok(secondEpoch > firstEpoch);
  first.send(dataFrame(firstEpoch, 2, 'too late', {}));
  const error = await first.refused(2);
  t.equal(error.code, 'EPOCH_FENCED');
  t.match(error.message, String(secondEpoch), 'the error names the epoch in force');
  second.send(dataFrame(secondEpoch, 1, 'yours', {}));
  await second.acknowledged(1);
  await sameEverywhere(t, cluster);
});

t.test('different bytes under one id and one CRC do not split the replicas', async (t) => {
  const cluster = await TestCluster.start(3);
  t.teardown(() => cluster.close());
  const leader = await cluster.leader();
  const followers = await cluster.followers();
  const upload = new RawUpload(leader.address, producer);
  const liars = followers.map(({ address }) => new RawUpload(address, producer));
  t.teardown(() => [upload, ...liars].forEach((one) => one.close()));
  const epoch = await upload.open(80);
  const honest = dataFrame(epoch, 1, Buffer.from('pay Alice 100'.padEnd(40)));
  const forgedEntry = forge(honest.body, Buffer.from('pay Mallory 9'.padEnd(40)));
  const forged = { ...dataFrame(epoch, 1, forgedEntry), bodyChecksum: honest.bodyChecksum };
  t.equal(crc32(forged.body), crc32(honest.body), 'the checksums are equal');
  t.not(forged.body.equals(honest.body), true);
  for (const one of liars) one.send(forged);
  for (const follower of followers) {
    await until('the forgery to be staged', async () => (await staged(follower)).heldBatches === 1);
  }
  upload.send({ ...honest, append: { follows: 0, uploadedTo: 0b111 } });
  await upload.acknowledged(1);
  await sameEverywhere(t, cluster);
  for (const follower of followers) t.equal((await staged(follower)).mismatched, 1);
  const client = await cluster.client();
  for (const { id } of followers) {
    for await (const { data } of client.read({ node: id })) t.match(data.toString(), 'Alice');
  }
});

t.test('an opening whose answer was lost is found again by its token', async (t) => {
  const cluster = await TestCluster.start(1);
  t.teardown(() => cluster.close());
  const leader = await cluster.leader();
  const lost = new RawUpload(leader.address, producer);
  lost.send(openFrame(9));
  const epoch = (await lost.acknowledged(9)).epoch;
  lost.close();
  const again = new RawUpload(leader.address, producer);
  t.teardown(() => again.close());
  t.equal(await again.open(9), epoch);
});
