import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Test } from 'tap';
import t from 'tap';
import type { Client } from '../../../index.js';
import { LogLogError } from '../../../index.js';
import { buildBatch, genesisChain } from '../../../proto/batch.js';
import { bodyChecksum } from '../../../proto/checksum.js';
import { encodeEntries } from '../../../proto/entries.js';
import { Members } from '../../../server/members.js';
import type { Bare } from './bare.js';
import { startBare } from './bare.js';
import { BareFollower } from './bare-follower.js';
import { BareLog, bareTerm } from './bare-log.js';
import { FramePipe } from './bare-frames.js';
import { readPages } from './bare-pages.js';

const ids = ['n1', 'n2', 'n3'];
const equalTimeoutMs = 10_000;
const pollMs = 20;

/** Stopped before its directory is removed. */
async function startedBare(t: Test): Promise<Bare> {
  const directory = await mkdtemp(join(tmpdir(), 'loglog-bare-'));
  const bare = await startBare(directory);
  t.teardown(async () => {
    await bare.cluster.stop();
    await rm(directory, { recursive: true, force: true });
  });
  return bare;
}

/** Resolves with the end of the log when all nodes have all of it, and the same. */
async function untilEqual(client: Client): Promise<number> {
  const deadlineMs = performance.now() + equalTimeoutMs;
  for (;;) {
    const { nodes } = await client.status();
    const states = nodes.map((node) =>
      node.reachable ? `${node.commitOffset} ${node.endOffset} ${node.chain}` : node.id,
    );
    const [first] = nodes;
    const isEqual = new Set(states).size === 1 && first?.reachable === true;
    if (isEqual && first.commitOffset === first.endOffset) return first.endOffset;
    if (performance.now() > deadlineMs) throw new Error(`not equal: ${states.join(', ')}`);
    await sleep(pollMs);
  }
}

async function pagesOf(client: Client, node: string, end: number): Promise<Buffer> {
  const pages: Buffer[] = [];
  for (let offset = 0; offset < end;) {
    const page = await client.readPage({ offset, limit: 2 ** 20, node });
    pages.push(page.batches);
    offset = page.next;
  }
  return Buffer.concat(pages);
}

/** An entry that tells its number and its size. */
function entryOf(index: number, bytes: number): Buffer {
  const entry = Buffer.alloc(bytes, index);
  entry.writeUInt32LE(index, 0);
  return entry;
}

t.test('what is appended is read from each of the three nodes, and is the same', async (t) => {
  const { client } = await startedBare(t);
  const sizes = [4, 100, 1024, 16 * 1024, 200_000];
  const entries = Array.from({ length: 300 }, (_, i) => entryOf(i, sizes[i % sizes.length] ?? 4));
  const appended = entries.slice(0, 200);
  const positions = await Promise.all(appended.map((entry) => client.append(entry)));
  // Another producer, behind the first.
  const writer = client.writer();
  for (const entry of entries.slice(200)) await writer.write(entry);
  await writer.flush();
  // Before the writer is closed: what has not reached the slower node then never does.
  const end = await untilEqual(client);
  await writer.close();

  const first = await pagesOf(client, 'n1', end);
  t.equal(first.length, end, 'the pages of node 1 are the whole log');
  for (const node of ids) {
    t.ok((await pagesOf(client, node, end)).equals(first), `${node} has the same bytes`);
    const found: { offset: number; data: Buffer }[] = [];
    for await (const entry of client.read({ from: 'start', node })) found.push(entry);
    t.ok(found.length === entries.length, `${node} has all entries`);
    t.ok(
      found.every(({ data }, i) => data.equals(entries[i] ?? Buffer.alloc(0))),
      `${node} has them as they were appended`,
    );
    t.ok(
      positions.every(({ offset }, i) => found[i]?.offset === offset),
      `${node} has them where node 1 said`,
    );
  }
  const { nodes } = await client.status();
  for (const node of nodes) {
    if (!node.reachable || node.id === 'n1') continue;
    t.ok(node.staged.matchedBatches > 0, `${node.id} got frames from the client`);
    t.ok(node.staged.inlinedBatches >= 2, `${node.id} got the openings from node 1`);
  }
});

t.test('a tail on a node that does not lead sees what is appended', async (t) => {
  const { client } = await startedBare(t);
  const tail = client.read({ from: 0, follow: true, node: 'n3' })[Symbol.asyncIterator]();
  for (let i = 0; i < 10; i++) {
    const entry = entryOf(i, 100);
    await client.append(entry);
    const { value } = await tail.next();
    t.same(value?.data, entry);
  }
  await tail.return?.();
});

t.test('what is counted in bulk and of pages is what the log holds, on each node', async (t) => {
  const { client, services } = await startedBare(t);
  const entryCount = 30_000;
  let acknowledged = 0;
  const pipe = new FramePipe(services, (entries) => (acknowledged += entries));
  for (let i = 0; i < entryCount; i++) await pipe.write(entryOf(i, 1000));
  await pipe.flush();
  t.equal(acknowledged, entryCount, 'all that was written');
  const end = await untilEqual(client);
  pipe.close();
  let decoded = 0;
  for await (const { data } of client.read({ from: 'start' })) {
    if (!data.equals(entryOf(decoded, 1000))) t.fail(`entry ${decoded} is another`);
    decoded += 1;
  }
  t.equal(decoded, entryCount, 'a client reads them');
  for (const service of services) {
    let counted = 0;
    await readPages(service, end, (entries) => {
      counted += entries;
      return true;
    });
    t.equal(counted, entryCount, 'the pages have as many');
  }
});

t.test('a second producer takes the place of the first, which is refused', async (t) => {
  const { client } = await startedBare(t);
  await client.append('one');
  const writer = client.writer();
  const ticket = await writer.write(Buffer.from('two'));
  await ticket.durable;
  await t.rejects(client.append('three'), { code: 'INVALID_ARGUMENT' });
  await writer.close();
});

t.test('a follower waits for what belongs before the frames that it has', async (t) => {
  const clusterId = 'ab'.repeat(32);
  const fail = (error: unknown) => t.fail(String(error));
  const directory = await mkdtemp(join(tmpdir(), 'loglog-bare-'));
  const log = await BareLog.open(directory, clusterId, () => follower.synced(), fail);
  t.teardown(async () => {
    await log.log.close();
    await rm(directory, { recursive: true, force: true });
  });
  const replies: number[] = [];
  const follower = new BareFollower(log, new Members(ids, 'n2'), {
    send: (message) => message.type === 'appendReply' && replies.push(message.matchOffset),
    onSynced: () => undefined,
  });

  const producer = '1'.repeat(16);
  const body = encodeEntries([Buffer.from('an entry')]);
  const what = { producer, epoch: 0, entryCount: 1, bodyChecksum: bodyChecksum(body) };
  const pool = follower.client();
  const stage = (sequence: number) => pool.stage({ ...what, kind: 'data', sequence, body });
  t.equal(stage(1), 'staged');
  t.equal(stage(3), 'staged');
  t.equal(log.endOffset, 0, 'nothing is written before the producer has opened');

  const nothing = Buffer.alloc(0);
  const common = { term: bareTerm, timeMs: 0 };
  const open = buildBatch(
    { ...what, ...common, kind: 'open', offset: 0, sequence: 77, entryCount: 0, bodyChecksum: 0 },
    nothing,
    genesisChain(clusterId),
  );
  const inline = (headerBytes: Buffer, inlined: Buffer) => {
    const items = [{ type: 'inline', headerBytes, body: inlined }] as const;
    follower.received('n1', { type: 'bodies', term: bareTerm, items });
  };
  inline(open.headerBytes, nothing);
  const bodyBytes = 96 + body.length;
  t.equal(log.endOffset, 96 + bodyBytes, 'the opening and the first frame');

  const offset = log.endOffset;
  const second = { ...what, ...common, kind: 'data', offset, sequence: 2 } as const;
  inline(buildBatch(second, body, log.chain).headerBytes, body);
  t.equal(log.endOffset, 96 + 3 * bodyBytes, 'the second from node 1, the third behind it');
  t.match(follower.counters, { matchedBatches: 2, inlinedBatches: 2 });
  while (log.log.durableOffset < log.endOffset) await sleep(pollMs);
  t.equal(replies.at(-1), log.endOffset, 'node 1 is told when they are durable');
});

t.test('workloads are carried out, and failures told', async (t) => {
  const { cluster } = await startedBare(t);
  const workload = { name: 'small', kind: 'append', entryBytes: 100, inFlight: 4 } as const;
  // A disk that is busy elsewhere may take longer over one entry than a measurement lasts.
  let measured = await cluster.measure(workload, 0.2);
  while (measured.entries === 0) measured = await cluster.measure(workload, 0.2);
  t.not(measured.latencyMs, null);
  await t.rejects(
    cluster.measure({ ...workload, entryBytes: 2 ** 24 }, 0.2),
    LogLogError,
    'a failure is told',
  );
});
