import t from 'tap';
import { bodyBytesMax, entryBytesMax, tokenBytesMax } from '../../proto/limits.js';
import { FakeCluster } from './fake-cluster.js';
import { clientOf, collect, dataBatches, entriesIn, numbered } from './helpers.js';

t.test('an array is one batch, and every entry has its offset', async (t) => {
  const fake = new FakeCluster(3);
  const client = clientOf(fake);
  const { offset, end, offsets } = await fake.clock.run(client.append(['a', '', Buffer.from('c')]));
  t.equal(offset, offsets[0]);
  t.equal(end, fake.log.end);
  const entries = await fake.clock.run(collect(client.read()));
  t.strictSame(
    entries.map((entry) => entry.data.toString()),
    ['a', '', 'c'],
  );
  t.strictSame(
    entries.map((entry) => entry.offset),
    offsets,
  );
  t.equal(dataBatches(fake), 1);
  await fake.clock.run(client.close());
});

t.test('appends at the same time share batches and keep their order', async (t) => {
  const fake = new FakeCluster(3);
  const client = clientOf(fake);
  await fake.clock.run(Promise.all(numbered(200).map((entry) => client.append(entry))));
  t.strictSame(entriesIn(fake), numbered(200));
  t.equal(dataBatches(fake), 1);
  await fake.clock.run(client.close());
});

t.test('what cannot be appended is refused before anything is sent', async (t) => {
  const fake = new FakeCluster(1);
  const client = clientOf(fake);
  await t.rejects(client.append(''), { code: 'EMPTY_APPEND' });
  await t.rejects(client.append([]), { code: 'EMPTY_APPEND' });
  await t.rejects(client.append(['', '']), { code: 'EMPTY_APPEND' });
  await t.rejects(client.append(Buffer.alloc(0)), { code: 'EMPTY_APPEND' });
  const large = Buffer.alloc(entryBytesMax + 1);
  await t.rejects(client.append(large), { code: 'ENTRY_TOO_LARGE', limit: entryBytesMax });
  const half = Buffer.alloc(entryBytesMax / 2);
  const tooMuch = client.append([half, half, half]);
  await t.rejects(tooMuch, { code: 'BATCH_TOO_LARGE', limit: bodyBytesMax });
  await t.rejects(client.append(7 as never), { code: 'INVALID_ARGUMENT' });
  await t.rejects(client.append('x', { expect: -1 }), { code: 'OFFSET_INVALID' });
  await t.rejects(client.append('x', { expect: 1.5 }), { code: 'OFFSET_INVALID' });
  const token = Buffer.alloc(tokenBytesMax + 1);
  await t.rejects(client.append('x', { token }), { code: 'INVALID_ARGUMENT' });
  await t.rejects(client.fence(token), { code: 'INVALID_ARGUMENT', limit: tokenBytesMax });
  await t.rejects(client.append('x', { timeoutMs: NaN }), { code: 'INVALID_ARGUMENT' });
  t.strictSame(fake.node('n1').frames, []);
  await fake.clock.run(client.close());
});

t.test('expect compares and sets, and each answer says what is known', async (t) => {
  const fake = new FakeCluster(3);
  const client = clientOf(fake);
  const first = await fake.clock.run(client.append('a', { expect: 0 }));
  fake.setLeader('n2');
  const second = await fake.clock.run(client.append('b', { expect: first.end }));
  const late = client.append('c', { expect: first.end });
  await t.rejects(fake.clock.run(late), {
    code: 'CONDITION_FAILED',
    outcome: 'none',
    end: second.end,
  });
  const early = client.append('d', { expect: second.end + 1 });
  await t.rejects(fake.clock.run(early), { code: 'CONDITION_AHEAD', outcome: 'unknown' });
  t.strictSame(entriesIn(fake), ['a', 'b']);
  await fake.clock.run(client.close());
});

t.test('a fencing token keeps the others out', async (t) => {
  const fake = new FakeCluster(3);
  const client = clientOf(fake);
  const { end } = await fake.clock.run(client.fence('mine'));
  t.equal(end, fake.log.end);
  await fake.clock.run(client.append('a', { token: 'mine' }));
  await t.rejects(fake.clock.run(client.append('b', { token: 'theirs' })), {
    code: 'TOKEN_MISMATCH',
  });
  await fake.clock.run(client.append('unfenced'));
  await fake.clock.run(client.fence(''));
  await fake.clock.run(client.append('c', { token: '' }));
  t.strictSame(entriesIn(fake), ['a', 'unfenced', 'c']);
  await fake.clock.run(client.close());
});

t.test('an append without a leader ends at its deadline and never happens', async (t) => {
  const fake = new FakeCluster(3);
  const client = clientOf(fake);
  await fake.clock.run(client.append('a'));
  fake.setLeader(undefined);
  await fake.clock.pass(5);
  const before = fake.clock.monotonicMs();
  const hopeless = client.append('b', { timeoutMs: 700 });
  const message = 'an append: not done within 700 ms; last: NO_LEADER no node leads';
  await t.rejects(fake.clock.run(hopeless), { code: 'DEADLINE', outcome: 'none', message });
  t.equal(fake.clock.monotonicMs() - before, 700);
  const controller = new AbortController();
  const cancelled = client.append('c', { signal: controller.signal });
  controller.abort();
  await t.rejects(fake.clock.run(cancelled), { code: 'CANCELLED', outcome: 'none' });
  fake.setLeader('n1');
  await fake.clock.run(client.append('d'));
  t.strictSame(entriesIn(fake), ['a', 'd']);
  await fake.clock.run(client.close());
});

t.test('an append that was sent ends at its deadline with an unknown outcome', async (t) => {
  const fake = new FakeCluster(1);
  const client = clientOf(fake);
  await fake.clock.run(client.append('a'));
  fake.node('n1').health = 'stopped';
  const unknown = client.append('b', { timeoutMs: 700 });
  await t.rejects(fake.clock.run(unknown), { code: 'DEADLINE', outcome: 'unknown' });
  await t.rejects(fake.clock.run(client.append('c', { signal: AbortSignal.abort() })), {
    code: 'CANCELLED',
    outcome: 'none',
  });
  await fake.clock.run(client.close());
});

t.test('a producer that the log has forgotten is replaced, unseen', async (t) => {
  const fake = new FakeCluster(3);
  const client = clientOf(fake);
  await fake.clock.run(client.append('a'));
  fake.log.producers.clear();
  await fake.clock.run(client.append('b'));
  t.strictSame(entriesIn(fake), ['a', 'b']);
  t.equal(fake.log.producers.size, 1);
  await fake.clock.run(client.close());
});
