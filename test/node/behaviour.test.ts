/** What the client promises, over gRPC and in one process alike. */
import { randomBytes } from 'node:crypto';
import t from 'tap';
import type { Client } from '../../index.js';
import { entryBytesMax, LogLogError } from '../../index.js';
import { TestCluster } from './cluster.js';

const transports: Record<string, (cluster: TestCluster) => Promise<Client>> = {
  'over gRPC': (cluster) => cluster.client(),
  'in process': async (cluster) => cluster.node('n1').client(),
};

async function collect(entries: AsyncIterable<{ offset: number; data: Buffer }>) {
  const found: { offset: number; text: string }[] = [];
  for await (const { offset, data } of entries) found.push({ offset, text: data.toString() });
  return found;
}

async function failure(call: Promise<unknown>): Promise<LogLogError> {
  try {
    await call;
  } catch (error) {
    if (error instanceof LogLogError) return error;
    throw error;
  }
  throw new Error('the call should have failed');
}

for (const [name, open] of Object.entries(transports)) {
  t.test(name, async (t) => {
    const cluster = await TestCluster.start(3);
    t.teardown(() => cluster.close());
    const client = await open(cluster);
    t.teardown(() => client.close());

    t.test('what is appended is read back, at the offsets that the append told', async (t) => {
      const from = (await client.end()).end;
      const one = await client.append('one');
      const more = await client.append(['two', 'three']);
      t.same(await collect(client.read({ from })), [
        { offset: one.offset, text: 'one' },
        { offset: more.offsets[0], text: 'two' },
        { offset: more.offsets[1], text: 'three' },
      ]);
      t.equal((await client.end()).dataEnd, more.end);
    });

    t.test('every node gives the same entries', async (t) => {
      const appended = await client.append(randomBytes(300_000));
      for (const node of ['n1', 'n2', 'n3']) {
        const [entry] = await collect(client.read({ from: appended.offset, node, limit: 1 }));
        t.equal(entry?.offset, appended.offset, node);
      }
    });

    t.test('an append that expects the end it saw goes through once', async (t) => {
      const { dataEnd } = await client.end();
      const { end } = await client.append('first', { expect: dataEnd });
      const error = await failure(client.append('second', { expect: dataEnd }));
      t.equal(error.code, 'CONDITION_FAILED');
      t.equal(error.end, end, 'the refusal tells the actual end');
      t.equal(error.outcome, 'none');
      await client.append('second', { expect: end });
    });

    t.test('an expected end beyond the actual one has an unknown outcome', async (t) => {
      const { dataEnd } = await client.end();
      const error = await failure(client.append('early', { expect: dataEnd + 1000 }));
      t.equal(error.code, 'CONDITION_AHEAD');
      t.equal(error.outcome, 'unknown');
      t.equal(error.end, dataEnd);
    });

    t.test('a fencing token keeps out who does not hold it', async (t) => {
      await client.fence('mine');
      await client.append('with the token', { token: 'mine' });
      const error = await failure(client.append('without', { token: 'yours' }));
      t.equal(error.code, 'TOKEN_MISMATCH');
      await client.append('unconditional appends are nobody’s business');
      await client.fence('');
      t.equal((await failure(client.append('gone', { token: 'mine' }))).code, 'TOKEN_MISMATCH');
    });

    t.test('a writer keeps order and tells when each entry is durable', async (t) => {
      const from = (await client.end()).end;
      const writer = client.writer();
      const texts = Array.from({ length: 5000 }, (_, i) => `entry ${i}`);
      const tickets = [];
      for (const text of texts) tickets.push(await writer.write(text));
      const positions = await Promise.all(tickets.map((ticket) => ticket.durable));
      await writer.close();
      const found = await collect(client.read({ from }));
      t.same(
        found,
        texts.map((text, i) => ({ offset: positions[i]?.offset, text })),
      );
    });

    t.test('empty entries of a writer are entries', async (t) => {
      const from = (await client.end()).end;
      const writer = client.writer();
      for (const text of ['', 'between', '']) await writer.write(text);
      await writer.close();
      t.same(
        (await collect(client.read({ from }))).map(({ text }) => text),
        ['', 'between', ''],
      );
    });

    t.test('the largest entry fits, one byte more does not', async (t) => {
      const largest = randomBytes(entryBytesMax);
      const { offset } = await client.append(largest);
      for await (const { data } of client.read({ from: offset, limit: 1 })) {
        t.ok(data.equals(largest));
      }
      const error = await failure(client.append(Buffer.alloc(entryBytesMax + 1)));
      t.equal(error.code, 'ENTRY_TOO_LARGE');
      t.equal(error.limit, entryBytesMax);
    });

    t.test('a reader that follows sees what comes, and breaking out ends it', async (t) => {
      const from = (await client.end()).end;
      const seen: string[] = [];
      const following = (async () => {
        for await (const { data } of client.read({ from, follow: true })) {
          seen.push(data.toString());
          if (seen.length === 3) break;
        }
      })();
      for (const text of ['a', 'b', 'c']) await client.append(text);
      await following;
      t.same(seen, ['a', 'b', 'c']);
    });

    t.test('a reader that begins inside an entry gets the next one', async (t) => {
      const { offset } = await client.append('passed over');
      const next = await client.append('wanted');
      t.same(await collect(client.read({ from: offset + 1 })), [
        { offset: next.offset, text: 'wanted' },
      ]);
    });

    t.test('bad arguments get a code', async (t) => {
      const { end } = await client.end();
      const codes = {
        'an empty append': failure(client.append('')),
        'no entries': failure(client.append([])),
        'a negative offset': failure(collect(client.read({ from: -1 }))),
        'half an offset': failure(collect(client.read({ from: 0.5 }))),
        'an offset beyond the end': failure(collect(client.read({ from: end + 10_000 }))),
        'a limit of 0': failure(client.readPage({ offset: 0, limit: 0, waitMs: 0 })),
        'an unknown node': failure(collect(client.read({ node: 'n9' }))),
        'a handover to an unknown node': failure(client.transfer('n9')),
      };
      const found: Record<string, string> = {};
      for (const [what, error] of Object.entries(codes)) found[what] = (await error).code;
      t.same(found, {
        'an empty append': 'EMPTY_APPEND',
        'no entries': 'EMPTY_APPEND',
        'a negative offset': 'OFFSET_INVALID',
        'half an offset': 'OFFSET_INVALID',
        'an offset beyond the end': 'OFFSET_BEYOND_END',
        'a limit of 0': 'LIMIT_INVALID',
        'an unknown node': 'UNKNOWN_NODE',
        'a handover to an unknown node': 'UNKNOWN_NODE',
      });
      await client.append('and goes on');
    });

    t.test('leadership is handed over on request, and appends go on', async (t) => {
      const { leader } = await client.status();
      const target = ['n1', 'n2', 'n3'].find((id) => id !== leader) ?? '';
      const reply = await client.transfer(target);
      t.equal(reply.leader, target);
      await client.append('under the new leader');
      t.equal((await client.status()).leader, target);
    });

    t.test('a signal ends a waiting read, and a closed client says so', async (t) => {
      const { end } = await client.end();
      const page = client.readPage({
        offset: end,
        limit: 1000,
        waitMs: 60_000,
        signal: AbortSignal.timeout(50),
      });
      t.match((await failure(page)).code, /CANCELLED|DEADLINE/);
      const other = await open(cluster);
      await other.close();
      t.equal((await failure(other.append('late'))).code, 'CLOSED');
    });
  });
}
