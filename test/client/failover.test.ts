import t from 'tap';
import { LogLogError } from '../../proto/errors.js';
import { FakeCluster } from './fake-cluster.js';
import { clientOf, entriesIn, numbered } from './helpers.js';
import { seededRandom } from './test-clock.js';

t.test('leader changes, cut streams and lost acknowledgements change nothing', async (t) => {
  for (let seed = 1; seed <= 30; seed += 1) {
    const fake = new FakeCluster(3);
    const random = seededRandom(seed * 7919);
    const client = clientOf(fake);
    const writer = client.writer({ batchBytes: 200 });
    const entries = numbered(400);
    for (const [index, entry] of entries.entries()) {
      await fake.clock.run(writer.write(entry));
      const chance = random.fraction();
      const node = fake.nodes[Math.floor(random.fraction() * 3)];
      if (index % 20 === 0 && node !== undefined) {
        if (chance < 0.3) fake.setLeader(node.id);
        else if (chance < 0.5) node.acknowledgementsToLose = 2;
        else if (chance < 0.7) node.cutStreams();
        else if (chance < 0.85) node.refusals.push(new LogLogError('RESOURCE_EXHAUSTED', 'full'));
        else fake.setLeader(undefined);
      }
      await fake.clock.pass(random.fraction() * 3);
      if (fake.leaderId === undefined) fake.setLeader('n3');
    }
    await fake.clock.run(writer.flush());
    t.strictSame(entriesIn(fake), entries, `seed ${seed}`);
    await fake.clock.run(client.close());
  }
});

t.test('appends go on within seconds of the death of the leader', async (t) => {
  const fake = new FakeCluster(3);
  const client = clientOf(fake);
  await fake.clock.run(client.append('before'));
  fake.node('n1').health = 'down';
  const during = client.append('during');
  await fake.clock.pass(1000);
  fake.setLeader('n3');
  const before = fake.clock.monotonicMs();
  await fake.clock.run(during);
  t.ok(fake.clock.monotonicMs() - before < 300);
  t.strictSame(entriesIn(fake), ['before', 'during']);
  await fake.clock.run(client.close());
});

t.test('a leader that falls silent is noticed', async (t) => {
  const fake = new FakeCluster(3);
  const client = clientOf(fake);
  await fake.clock.run(client.append('before'));
  // The streams to the others say nothing either: only asking finds the new leader.
  fake.node('n1').health = 'stopped';
  const during = client.append('during');
  await fake.clock.pass(500);
  fake.leaderId = 'n2';
  fake.term += 1;
  const before = fake.clock.monotonicMs();
  await fake.clock.run(during);
  t.ok(fake.clock.monotonicMs() - before < 2500);
  await fake.clock.run(client.close());
});

t.test('a node that comes back at another address is found', async (t) => {
  const fake = new FakeCluster(3);
  const client = clientOf(fake);
  await fake.clock.run(client.append('before'));
  fake.node('n1').health = 'down';
  fake.node('n1').address = 'n1:9999';
  await fake.clock.pass(100);
  fake.node('n1').health = 'up';
  await fake.clock.run(client.append('after'));
  t.strictSame(entriesIn(fake), ['before', 'after']);
  await fake.clock.run(client.close());
});

t.test('a batch that is refused for good fails alone, and what follows goes on', async (t) => {
  const fake = new FakeCluster(3);
  const client = clientOf(fake);
  const { end } = await fake.clock.run(client.append('first'));
  const wrong = client.append('wrong', { expect: end - 1 });
  const behind = numbered(20).map((entry) => client.append(entry, { token: '' }));
  await t.rejects(fake.clock.run(wrong), { code: 'CONDITION_FAILED', outcome: 'none', end });
  await fake.clock.run(Promise.all(behind));
  t.strictSame(entriesIn(fake), ['first', ...numbered(20)]);
  const sent = fake.node('n1').frames.filter(({ kind }) => kind === 'data');
  for (const frame of sent) {
    const twin = sent.find(({ sequence }) => sequence === frame.sequence);
    t.ok(twin?.body.equals(frame.body), 'a sequence never has other bytes');
  }
  await fake.clock.run(client.close());
});

t.test('many refusals in a row end in an answer for each', async (t) => {
  const fake = new FakeCluster(3);
  const client = clientOf(fake);
  const { end } = await fake.clock.run(client.append('first'));
  const all = numbered(40).map((entry) => client.append(entry, { expect: end }));
  const results = await fake.clock.run(Promise.allSettled(all));
  t.equal(results.filter(({ status }) => status === 'fulfilled').length, 1, 'compare and set');
  for (const result of results) {
    if (result.status === 'rejected') t.match(result.reason, { code: 'CONDITION_FAILED' });
  }
  t.strictSame(entriesIn(fake), ['first', 'entry 0']);
  await fake.clock.run(client.close());
});

t.test('a leader that sees gaps where there are none ends the producer', async (t) => {
  const fake = new FakeCluster(1);
  const client = clientOf(fake);
  await fake.clock.run(client.append('first'));
  for (const producer of fake.log.producers.values()) producer.lastSequence = 77;
  await t.rejects(fake.clock.run(client.append('second')), { code: 'SEQUENCE_GAP' });
  await fake.clock.run(client.append('third'));
  t.strictSame(entriesIn(fake), ['first', 'third'], 'the next append has a producer of its own');
  await fake.clock.run(client.close());
});
