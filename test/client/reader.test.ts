import t from 'tap';
import type { Client } from '../../client/client.js';
import { headerBytes } from '../../proto/limits.js';
import { FakeCluster } from './fake-cluster.js';
import { clientOf, collect, numbered } from './helpers.js';

async function filled(count: number): Promise<{ fake: FakeCluster; client: Client }> {
  const fake = new FakeCluster(3);
  const client = clientOf(fake);
  for (const entry of numbered(count)) await fake.clock.run(client.append(entry));
  return { fake, client };
}

t.test('a read ends at the end as it was when it began', async (t) => {
  const { fake, client } = await filled(50);
  const reader = client.read()[Symbol.asyncIterator]();
  const first = await fake.clock.run(reader.next());
  t.equal(first.value?.data.toString(), 'entry 0');
  t.ok(first.value?.time instanceof Date);
  await fake.clock.run(client.append('later'));
  const rest = await fake.clock.run(collect({ [Symbol.asyncIterator]: () => reader }));
  t.strictSame(
    rest.map(({ data }) => data.toString()),
    numbered(50).slice(1),
  );
  t.equal(
    fake.nodes.reduce((sum, { openTails }) => sum + openTails, 0),
    0,
  );
  await fake.clock.run(client.close());
});

t.test('from, to and limit cut exactly', async (t) => {
  const { fake, client } = await filled(10);
  const { offsets, end } = await fake.clock.run(client.append(['x', 'y', 'z']));
  const read = async (options: Parameters<Client['read']>[0]) => {
    const entries = await fake.clock.run(collect(client.read(options)));
    return entries.map(({ data }) => data.toString());
  };
  const [x = 0, y = 0, z = 0] = offsets;
  t.strictSame(await read({ from: y }), ['y', 'z']);
  t.strictSame(await read({ from: x + 1, to: z }), ['y']);
  t.strictSame(await read({ from: x, to: x }), []);
  t.strictSame(await read({ from: x - headerBytes, limit: 2 }), ['x', 'y']);
  t.strictSame(await read({ limit: 3 }), numbered(3));
  t.strictSame(await read({ from: 'start' }), [...numbered(10), 'x', 'y', 'z']);
  t.strictSame(await read({ from: 'end' }), []);
  t.strictSame(await read({ from: end }), []);
  await fake.clock.run(client.close());
});

t.test('entries that are asked for at the same time come in order, and then the end', async (t) => {
  const { fake, client } = await filled(4);
  const reader = client.read()[Symbol.asyncIterator]();
  const asked = Array.from({ length: 6 }, () => reader.next());
  const results = await fake.clock.run(Promise.all(asked));
  t.strictSame(
    results.map(({ value }) => value?.data.toString()),
    [...numbered(4), undefined, undefined],
  );
  t.same(
    results.map(({ done }) => done === true),
    [false, false, false, false, true, true],
  );
  await fake.clock.run(client.close());
});

t.test('wrong options come out of the iteration', async (t) => {
  const { fake, client } = await filled(1);
  const first = (options: Parameters<Client['read']>[0]) =>
    fake.clock.run(collect(client.read(options)));
  await t.rejects(first({ from: -1 }), { code: 'OFFSET_INVALID' });
  await t.rejects(first({ from: 0.5 }), { code: 'OFFSET_INVALID' });
  await t.rejects(first({ from: 2 ** 53 }), { code: 'OFFSET_INVALID' });
  await t.rejects(first({ to: -1 }), { code: 'OFFSET_INVALID' });
  await t.rejects(first({ limit: 0 }), { code: 'LIMIT_INVALID' });
  await t.rejects(first({ pageBytes: -1 }), { code: 'LIMIT_INVALID' });
  await t.rejects(first({ node: 'n9' }), { code: 'UNKNOWN_NODE' });
  const { end } = fake.log;
  await t.rejects(first({ from: end + 1 }), { code: 'OFFSET_BEYOND_END', end });
  await fake.clock.run(client.close());
});

t.test('following goes on with what is appended, from the end if asked to', async (t) => {
  const { fake, client } = await filled(3);
  const all = collect(client.read({ follow: true, limit: 5 }));
  const fresh = collect(client.read({ from: 'end', follow: true, limit: 2 }));
  await fake.clock.pass(10_000);
  await fake.clock.run(client.append(['a', 'b']));
  const seen = await fake.clock.run(all);
  t.strictSame(
    seen.map(({ data }) => data.toString()),
    [...numbered(3), 'a', 'b'],
  );
  t.strictSame(
    (await fake.clock.run(fresh)).map(({ data }) => data.toString()),
    ['a', 'b'],
  );
  await fake.clock.run(client.close());
});

t.test('a reader goes on at another node, without a gap or a repetition', async (t) => {
  const { fake, client } = await filled(100);
  const seen: string[] = [];
  const entries = client.read({ pageBytes: 500 })[Symbol.asyncIterator]();
  for (;;) {
    const { done, value } = await fake.clock.run(entries.next());
    if (done === true) break;
    seen.push(value.data.toString());
    if (seen.length % 10 === 0) for (const node of fake.nodes) node.cutStreams();
    if (seen.length === 50) fake.node('n2').health = 'down';
  }
  t.strictSame(seen, numbered(100));
  await fake.clock.run(client.close());
});

t.test('a node left behind is left for another', async (t) => {
  const { fake, client } = await filled(10);
  for (const id of ['n1', 'n2', 'n3']) {
    for (const node of fake.nodes) node.endMax = Infinity;
    fake.node(id).endMax = 500;
    const entries = await fake.clock.run(collect(client.read()));
    t.strictSame(
      entries.map(({ data }) => data.toString()),
      numbered(10),
    );
  }
  fake.node('n2').endMax = 500;
  const patient = collect(client.read({ node: 'n2' }));
  await fake.clock.pass(20_000);
  fake.node('n2').endMax = Infinity;
  fake.noteCommit();
  t.equal((await fake.clock.run(patient)).length, 10, 'a node that is named is waited for');
  await fake.clock.run(client.close());
});

t.test('a bad copy is read from another node; a bad log is told', async (t) => {
  const { fake, client } = await filled(10);
  const bad = fake.log.batches.find(({ header }) => header.sequence === 4)?.header.offset;
  fake.node('n1').rottenOffset = bad;
  fake.node('n2').rottenOffset = bad;
  const entries = await fake.clock.run(collect(client.read()));
  t.strictSame(
    entries.map(({ data }) => data.toString()),
    numbered(10),
  );
  const page = await fake.clock.run(client.readPage({ offset: bad ?? 0, limit: 1 }));
  t.equal(page.offset, bad);
  await t.rejects(fake.clock.run(collect(client.read({ node: 'n2' }))), { code: 'DATA_CORRUPT' });
  const named = client.readPage({ offset: bad ?? 0, limit: 1, node: 'n1' });
  await t.rejects(fake.clock.run(named), { code: 'DATA_CORRUPT' });
  fake.node('n3').rottenOffset = bad;
  await t.rejects(fake.clock.run(collect(client.read())), { code: 'DATA_CORRUPT' });
  await fake.clock.run(client.close());
});

t.test('leaving the loop ends the stream, even while it waits', async (t) => {
  const { fake, client } = await filled(5);
  const openTails = () => fake.nodes.reduce((sum, node) => sum + node.openTails, 0);
  const breakOut = async () => {
    for await (const entry of client.read({ follow: true })) {
      if (entry.data.toString() === 'entry 2') break;
    }
  };
  await fake.clock.run(breakOut());
  t.equal(openTails(), 0);
  const reader = client.read({ from: 'end', follow: true })[Symbol.asyncIterator]();
  const pending = reader.next();
  await fake.clock.pass(100);
  t.equal(openTails(), 1);
  await fake.clock.run(reader.return?.() ?? Promise.reject(new Error('cannot be left')));
  t.strictSame(await fake.clock.run(pending), { done: true, value: undefined });
  t.equal(openTails(), 0);
  await fake.clock.run(client.close());
});

t.test('a signal and the end of the client end a reader', async (t) => {
  const { fake, client } = await filled(1);
  const controller = new AbortController();
  const { signal } = controller;
  const follow = { from: 'end', follow: true } as const;
  const cancelled = t.rejects(collect(client.read({ ...follow, signal })), { code: 'CANCELLED' });
  const closed = t.rejects(collect(client.read(follow)), { code: 'CLOSED' });
  await fake.clock.pass(100);
  controller.abort();
  await fake.clock.run(cancelled);
  await fake.clock.run(client.close());
  await fake.clock.run(closed);
  t.equal(
    fake.nodes.reduce((sum, { openTails }) => sum + openTails, 0),
    0,
  );
});

t.test('a page is whole batches from the one that holds the offset', async (t) => {
  const { fake, client } = await filled(10);
  const batch = fake.log.batches.at(-2);
  const offset = (batch?.header.offset ?? 0) + 10;
  const page = await fake.clock.run(client.readPage({ offset, limit: 1 }));
  t.equal(page.offset, batch?.header.offset);
  t.equal(page.batches.length, page.next - page.offset);
  const { end } = fake.log;
  fake.node('n1').endMax = 500;
  fake.node('n2').endMax = 500;
  const next = await fake.clock.run(client.readPage({ offset: page.next, limit: 2 ** 40 }));
  t.equal(next.next, end, 'a node that has not come so far is no end');
  const beyond = client.readPage({ offset: end + 1, limit: 1 });
  await t.rejects(fake.clock.run(beyond), { code: 'OFFSET_BEYOND_END' });
  await t.rejects(client.readPage({ offset: -1, limit: 1 }), { code: 'OFFSET_INVALID' });
  await t.rejects(client.readPage({ offset: 0, limit: 0 }), { code: 'LIMIT_INVALID' });
  await fake.clock.run(client.close());
});
