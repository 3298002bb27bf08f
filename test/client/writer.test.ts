import t from 'tap';
import { leaderFirstTimes, uploadedBodyBytesMinDefault } from '../../client/producer.js';
import type { Ticket, Writer } from '../../client/writer.js';
import { LogLogError } from '../../proto/errors.js';
import { entryBytesMax, entryLengthBytes } from '../../proto/limits.js';
import { FakeCluster } from './fake-cluster.js';
import { clientOf, collect, dataBatches, entriesIn, numbered } from './helpers.js';

async function writeAll(writer: Writer, entries: readonly (string | Buffer)[]): Promise<Ticket[]> {
  const tickets: Ticket[] = [];
  for (const entry of entries) tickets.push(await writer.write(entry));
  return tickets;
}

/** For each node, `uploadedTo` of what it was asked to order, and undefined for mere bodies. */
function sentTo(fake: FakeCluster): (number | undefined)[][] {
  return fake.nodes.map(({ frames }) =>
    frames.filter(({ kind }) => kind === 'data').map(({ append }) => append?.uploadedTo),
  );
}

t.test('entries come out once, in order, at the offsets of their tickets', async (t) => {
  const fake = new FakeCluster(3);
  const client = clientOf(fake);
  const writer = client.writer();
  const tickets = await fake.clock.run(writeAll(writer, numbered(1000)));
  await fake.clock.run(writer.flush());
  t.strictSame(entriesIn(fake), numbered(1000));
  const positions = await Promise.all(tickets.map((ticket) => ticket.durable));
  const log = Buffer.concat(fake.log.batches.flatMap((b) => [b.headerBytes, b.body]));
  for (const [index, { offset, end }] of positions.entries()) {
    const length = log.readUInt32LE(offset);
    t.equal(log.toString('utf8', offset + 4, offset + 4 + length), `entry ${index}`);
    t.ok(fake.log.batches.some((batch) => batch.header.offset === end) || end === fake.log.end);
  }
  t.equal(writer.bytesInFlight, 0);
  await fake.clock.run(client.close());
});

t.test('an entry alone leaves at once; under load entries share batches', async (t) => {
  const fake = new FakeCluster(3);
  const client = clientOf(fake);
  const writer = client.writer();
  await fake.clock.run(writer.write('opens'));
  await fake.clock.run(writer.flush());
  const before = fake.clock.monotonicMs();
  const ticket = await fake.clock.run(writer.write('alone'));
  await fake.clock.run(ticket.durable);
  t.equal(fake.clock.monotonicMs() - before, 2, 'one way and back');
  const batchesBefore = dataBatches(fake);
  await fake.clock.run(writer.write('first'));
  await fake.clock.pass(1);
  await fake.clock.run(writeAll(writer, numbered(100)));
  await fake.clock.run(writer.flush());
  t.equal(dataBatches(fake) - batchesBefore, 2, 'what came while one was on its way is the next');
  await fake.clock.run(client.close());
});

t.test('full batches follow each other without waiting, at most eight at a time', async (t) => {
  const fake = new FakeCluster(3);
  const client = clientOf(fake);
  const writer = client.writer({ batchBytes: 1000 });
  await fake.clock.run(writer.write('opens'));
  await fake.clock.run(writer.flush());
  const before = fake.node('n1').frames.length;
  await fake.clock.run(
    writeAll(
      writer,
      Array.from({ length: 20 }, () => Buffer.alloc(900)),
    ),
  );
  await fake.clock.pass(0.5);
  t.equal(fake.node('n1').frames.length - before, 8);
  await fake.clock.run(writer.flush());
  t.equal(fake.node('n1').frames.length - before, 20);
  await fake.clock.run(client.close());
});

t.test('the data may be reused once write has resolved', async (t) => {
  const fake = new FakeCluster(1);
  const client = clientOf(fake);
  const writer = client.writer();
  const data = Buffer.from('mine');
  await fake.clock.run(writer.write(data));
  data.fill('x');
  await fake.clock.run(writer.flush());
  t.strictSame(entriesIn(fake), ['mine']);
  await fake.clock.run(client.close());
});

t.test(
  'every node gets the body, only the leader the order and never the body twice',
  async (t) => {
    const fake = new FakeCluster(3);
    fake.setLeader('n2');
    const client = clientOf(fake);
    const writer = client.writer();
    await fake.clock.pass(50);
    for (let count = 0; count < 2; count += 1) {
      await fake.clock.run(writer.write(Buffer.alloc(uploadedBodyBytesMinDefault)));
      await fake.clock.run(writer.flush());
    }
    t.strictSame(sentTo(fake), [
      [undefined, undefined],
      [0b101, 0b101],
      [undefined, undefined],
    ]);
    t.ok(
      fake.node('n1').frames.every(({ kind }) => kind === 'data'),
      'a leader alone opens',
    );
    await fake.clock.run(client.close());
  },
);

t.test('a body that is too small to be worth it goes to the leader alone', async (t) => {
  const fake = new FakeCluster(3);
  fake.setLeader('n2');
  const client = clientOf(fake);
  const writer = client.writer();
  await fake.clock.pass(50);
  for (const bytes of [1, uploadedBodyBytesMinDefault - entryLengthBytes - 1]) {
    await fake.clock.run(writer.write(Buffer.alloc(bytes)));
    await fake.clock.run(writer.flush());
  }
  t.strictSame(sentTo(fake), [[], [0, 0], []], 'which is told that no other node has it');
  await fake.clock.run(writer.write(Buffer.alloc(uploadedBodyBytesMinDefault - entryLengthBytes)));
  await fake.clock.run(writer.flush());
  t.strictSame(sentTo(fake), [[undefined], [0, 0, 0b101], [undefined]]);
  await fake.clock.run(client.close());
});

t.test(
  'a long body alone on its way goes to the leader first, all others to it last',
  async (t) => {
    const fake = new FakeCluster(3);
    fake.setLeader('n2');
    const client = clientOf(fake);
    const longBodyBytes = leaderFirstTimes * uploadedBodyBytesMinDefault;
    const writer = client.writer({ batchBytes: longBodyBytes });
    await fake.clock.pass(50);
    const longEntry = Buffer.alloc(longBodyBytes - entryLengthBytes);
    const shortEntry = longEntry.subarray(1);
    for (const entries of [[longEntry], [shortEntry], [longEntry, longEntry]]) {
      await fake.clock.run(writeAll(writer, entries));
      await fake.clock.run(writer.flush());
    }
    const nodesOf = (sequence: number) =>
      fake.sent
        .filter(({ frame }) => frame.kind === 'data' && frame.sequence === sequence)
        .map(({ nodeId }) => nodeId);
    t.strictSame(nodesOf(1), ['n2', 'n1', 'n3']);
    t.strictSame(nodesOf(2), ['n1', 'n3', 'n2']);
    t.strictSame(nodesOf(3), ['n2', 'n1', 'n3']);
    t.strictSame(nodesOf(4), ['n1', 'n3', 'n2'], 'one that follows another');
    const asked = fake.node('n2').frames.flatMap(({ append }) => append?.uploadedTo ?? []);
    t.strictSame(asked.slice(1), [0b101, 0b101, 0b101, 0b101], 'the others have it all the same');
    await fake.clock.run(client.close());
  },
);

t.test('batches leave while a loop goes on writing', async (t) => {
  const fake = new FakeCluster(3);
  const client = clientOf(fake);
  const writer = client.writer({ batchBytes: 1000 });
  await fake.clock.run(writer.write('opens'));
  await fake.clock.run(writer.flush());
  let written = 0;
  const loop = (async () => {
    for (; written < 100; written += 1) await writer.write(Buffer.alloc(96));
  })();
  for (let job = 0; job < 1000; job += 1) await Promise.resolve();
  t.equal(written, 9, 'the tenth makes a batch complete, and waits until it has had its turn');
  await fake.clock.run(loop);
  t.equal(written, 100);
  await fake.clock.run(client.close());
});

t.test('write waits while too much is in flight', async (t) => {
  const fake = new FakeCluster(3);
  const client = clientOf(fake);
  fake.setLeader(undefined);
  const writer = client.writer({ bytesInFlightMax: 1000 });
  await fake.clock.run(writer.write(Buffer.alloc(600)));
  let isTaken = false;
  const waiting = writer.write(Buffer.alloc(600)).then(() => (isTaken = true));
  const impatient = new AbortController();
  const cancelled = writer.write('behind', { signal: impatient.signal });
  await fake.clock.pass(100);
  t.equal(isTaken, false);
  t.equal(writer.bytesInFlight, 604);
  impatient.abort();
  await t.rejects(fake.clock.run(cancelled), { code: 'CANCELLED', outcome: 'none' });
  fake.setLeader('n1');
  await fake.clock.run(waiting);
  await t.rejects(fake.clock.run(writer.flush()), { code: 'CANCELLED' });
  t.strictSame(
    entriesIn(fake).map((entry) => entry.length),
    [600, 600],
  );
  await t.rejects(fake.clock.run(client.close()), { code: 'CANCELLED' });
});

t.test(
  'a node that takes nothing slows nobody, and what is queued for it is bounded',
  async (t) => {
    const fake = new FakeCluster(3);
    const client = clientOf(fake);
    const batchBytes = 256 * 1024;
    const writer = client.writer({ batchBytes });
    await fake.clock.run(writer.write('opens'));
    await fake.clock.run(writer.flush());
    fake.node('n3').isStuck = true;
    const before = fake.clock.monotonicMs();
    const tickets = await fake.clock.run(
      writeAll(
        writer,
        Array.from({ length: 100 }, () => Buffer.alloc(batchBytes)),
      ),
    );
    await fake.clock.run(writer.flush());
    t.ok(fake.clock.monotonicMs() - before < 100, 'as fast as the others');
    t.equal(tickets.length, 100);
    t.equal(fake.node('n3').frames.length, 1, 'one that it did not take');
    const skipped = fake.node('n1').frames.filter(({ append }) => append?.uploadedTo === 0b010);
    t.ok(skipped.length >= 80, 'the leader is told who has no copy');
    await fake.clock.run(client.close());
  },
);

t.test('a missing body is uploaded again while it is not acknowledged', async (t) => {
  const fake = new FakeCluster(3);
  const client = clientOf(fake);
  const writer = client.writer();
  await fake.clock.run(writer.write('opens'));
  await fake.clock.run(writer.flush());
  fake.node('n1').health = 'stopped';
  await fake.clock.run(writer.write('wanted'));
  await fake.clock.pass(5);
  const before = fake.node('n2').frames.length;
  fake.node('n2').askForMissing([1, 2]);
  await fake.clock.pass(5);
  const again = fake.node('n2').frames.slice(before);
  t.strictSame(
    again.map(({ sequence }) => sequence),
    [2],
    'the first is acknowledged',
  );
  t.equal(again[0]?.append, undefined);
  fake.node('n1').health = 'down';
  fake.setLeader('n2');
  await fake.clock.run(writer.flush());
  t.strictSame(entriesIn(fake), ['opens', 'wanted']);
  await fake.clock.run(client.close());
});

t.test('an entry over the limit is refused by name, and loses nothing', async (t) => {
  const fake = new FakeCluster(1);
  const client = clientOf(fake);
  const writer = client.writer();
  await fake.clock.run(writer.write('before'));
  await t.rejects(writer.write(Buffer.alloc(entryBytesMax + 1)), {
    code: 'ENTRY_TOO_LARGE',
    limit: entryBytesMax,
  });
  await fake.clock.run(writer.write(''));
  await fake.clock.run(writer.write(Buffer.alloc(entryBytesMax, 'x')));
  await fake.clock.run(writer.flush());
  t.strictSame(
    entriesIn(fake).map(({ length }) => length),
    [6, 0, entryBytesMax],
  );
  await fake.clock.run(client.close());
});

t.test('an entry whose time has passed fails alone', async (t) => {
  const fake = new FakeCluster(3);
  const client = clientOf(fake);
  const writer = client.writer({ timeoutMs: 1000 });
  await fake.clock.run(writer.write('opens'));
  await fake.clock.run(writer.flush());
  fake.node('n1').health = 'stopped';
  const sent = await fake.clock.run(writer.write('sent'));
  await fake.clock.pass(500);
  const unsent = await fake.clock.run(writer.write('not sent'));
  await t.rejects(fake.clock.run(sent.durable), { code: 'DEADLINE', outcome: 'unknown' });
  const later = await fake.clock.run(writer.write('later'));
  await t.rejects(fake.clock.run(unsent.durable), { code: 'DEADLINE', outcome: 'none' });
  fake.node('n1').health = 'down';
  fake.setLeader('n2');
  await fake.clock.run(later.durable);
  t.strictSame(entriesIn(fake), ['opens', 'sent', 'later'], 'what was not sent is never');
  await t.rejects(fake.clock.run(writer.flush()), { code: 'DEADLINE' });
  await t.rejects(fake.clock.run(client.close()), { code: 'DEADLINE' });
});

t.test('an expired epoch ends the writer, and says what may be in the log', async (t) => {
  const fake = new FakeCluster(1);
  const client = clientOf(fake);
  const writer = client.writer();
  await fake.clock.run(writer.write('a'));
  await fake.clock.run(writer.flush());
  fake.log.producers.clear();
  const ticket = await fake.clock.run(writer.write('b'));
  await t.rejects(fake.clock.run(ticket.durable), { code: 'PRODUCER_EXPIRED', outcome: 'none' });
  await t.rejects(writer.write('c'), { code: 'PRODUCER_EXPIRED' });

  const other = client.writer();
  await fake.clock.run(other.write('d'));
  await fake.clock.run(other.flush());
  fake.node('n1').acknowledgementsToLose = 1;
  const lost = await fake.clock.run(other.write('e'));
  await fake.clock.pass(1.5);
  fake.log.producers.clear();
  await t.rejects(fake.clock.run(lost.durable), { code: 'PRODUCER_EXPIRED', outcome: 'unknown' });
  await t.rejects(fake.clock.run(client.close()), { code: 'PRODUCER_EXPIRED' });
});

t.test('what was sent before a fatal refusal may be in the log', async (t) => {
  const fake = new FakeCluster(1);
  const client = clientOf(fake);
  const writer = client.writer({ batchBytes: 10 });
  await fake.clock.run(writer.write('a'));
  await fake.clock.run(writer.flush());
  fake.node('n1').acknowledgementDelayMs = 50;
  const ordered = await fake.clock.run(writer.write('is ordered'));
  await fake.clock.pass(0.6);
  const refused = await fake.clock.run(writer.write('is refused'));
  await fake.clock.pass(0.6);
  fake.log.producers.clear();
  await t.rejects(fake.clock.run(ordered.durable), {
    code: 'PRODUCER_EXPIRED',
    outcome: 'unknown',
  });
  await t.rejects(fake.clock.run(refused.durable), { code: 'PRODUCER_EXPIRED', outcome: 'none' });
  t.strictSame(entriesIn(fake), ['a', 'is ordered']);
  await t.rejects(fake.clock.run(client.close()), { code: 'PRODUCER_EXPIRED' });
});

t.test('an entry given up before it leaves is cut out of its batch', async (t) => {
  const fake = new FakeCluster(3);
  const client = clientOf(fake);
  fake.setLeader(undefined);
  const writer = client.writer();
  const controller = new AbortController();
  await fake.clock.run(writer.write('before'));
  const given = await fake.clock.run(writer.write('given up', { signal: controller.signal }));
  const behind = await fake.clock.run(writer.write('behind'));
  controller.abort();
  await t.rejects(given.durable, { code: 'CANCELLED', outcome: 'none' });
  fake.setLeader('n1');
  const { offset } = await fake.clock.run(behind.durable);
  const entries = await fake.clock.run(collect(client.read()));
  t.strictSame(
    entries.map(({ data }) => data.toString()),
    ['before', 'behind'],
  );
  t.equal(entries[1]?.offset, offset);
  await t.rejects(fake.clock.run(client.close()), { code: 'CANCELLED' });
});

t.test('close ends in time, and what is not durable by then fails', async (t) => {
  const fake = new FakeCluster(3);
  const client = clientOf(fake);
  const writer = client.writer();
  await fake.clock.run(writer.write('in'));
  await fake.clock.run(writer.close());
  await t.rejects(writer.write('late'), { code: 'CLOSED' });
  const other = client.writer();
  fake.setLeader(undefined);
  const ticket = await fake.clock.run(other.write('stays out'));
  const before = fake.clock.monotonicMs();
  await t.rejects(fake.clock.run(other.close({ timeoutMs: 300 })), LogLogError);
  t.equal(fake.clock.monotonicMs() - before, 300);
  await t.rejects(ticket.durable, { code: 'CLOSED', outcome: 'none' });
  await fake.clock.run(client.close());
});

t.test('wrong options are refused', async (t) => {
  const fake = new FakeCluster(1);
  const client = clientOf(fake);
  t.throws(() => client.writer({ batchBytes: 0 }), { code: 'LIMIT_INVALID' });
  const writer = client.writer({ timeoutMs: -1 });
  await t.rejects(writer.write('x'), { code: 'INVALID_ARGUMENT' });
  await fake.clock.run(client.close());
});
