/**
 * Clusters in any weather: whatever happens, what clients were told is true in the end. A run
 * follows from its seed; `SEEDS=17` or `SEEDS=100-199` runs others than the usual ones.
 */
import t from 'tap';
import type { Batch } from '../../proto/batch.js';
import { batchEnd, decodeBatch } from '../../proto/batch.js';
import { verifyDirectory } from '../../server/log/verify.js';
import { seededRandom } from '../log/seeded-random.js';
import { Chaos } from './chaos.js';
import type { TestNode } from './cluster.js';
import { directory, EngineCluster } from './cluster.js';
import { entriesIn, History } from './history.js';
import { Workload } from './workload.js';

type Test = Pick<typeof t, 'equal' | 'ok' | 'same'>;

const [firstSeed = 1, lastSeed = firstSeed] = (process.env['SEEDS'] ?? '1-40')
  .split('-')
  .map(Number);
const actions = 100;
const quietMs = 5000;
const clientNames = ['a', 'b', 'c'] as const;

async function readAll(node: TestNode): Promise<Buffer> {
  const { commitOffset } = await node.status();
  const { signal } = new AbortController();
  const pages: Buffer[] = [];
  for (let at = 0; at < commitOffset;) {
    const page = await node.service.read({ offset: at, limit: 50_000, waitMs: 0 }, signal);
    pages.push(page.batches);
    at = page.next;
  }
  return Buffer.concat(pages);
}

function batchesIn(bytes: Buffer): Batch[] {
  const batches: Batch[] = [];
  for (let at = 0; at < bytes.length;) {
    const decoded = decodeBatch(bytes, at);
    if (!decoded.ok) throw new Error(decoded.reason);
    batches.push(decoded.batch);
    at = batchEnd(decoded.batch.header);
  }
  return batches;
}

/** One log on all nodes; returns its bytes. */
async function checkNodes(test: Test, cluster: EngineCluster): Promise<Buffer> {
  const statuses = await cluster.settled();
  test.equal(new Set(statuses.map(({ chain }) => chain)).size, 1, 'the chains are equal');
  const [log = Buffer.alloc(0), ...others] = await cluster.clock.run(
    Promise.all(cluster.nodes.map(readAll)),
  );
  test.ok(
    others.every((other) => other.equals(log)),
    'the bytes are equal',
  );
  return log;
}

async function checkDisks(test: Test, cluster: EngineCluster, log: Buffer): Promise<void> {
  for (const node of cluster.nodes) node.crash();
  for (const { id, disk } of cluster.nodes) {
    const report = await cluster.clock.run(verifyDirectory(disk, directory));
    test.same(report.problems, [], `${id} is clean`);
    test.equal(report.endOffset, log.length, `${id} has everything`);
  }
}

/** Returns the log that all nodes have in the end. */
async function run(test: Test, seed: number, story: string[]): Promise<Buffer> {
  const random = seededRandom(seed);
  const cluster = new EngineCluster({
    seed,
    node: { electionTimeoutMs: 200 },
    diskDelayMs: () => (random.fraction() < 0.1 ? 8 : 0.5) * random.fraction(),
  });
  const { clock } = cluster;
  await cluster.begin();
  const history = new History();
  const workload = new Workload(cluster, random, history, clientNames);
  const chaos = new Chaos(cluster, clientNames, seed, story);
  await chaos.go(actions);
  await chaos.recover();
  for (const { id, failure } of cluster.nodes) test.equal(failure?.stack, undefined, `${id} runs`);
  await clock.run(workload.finish());
  // An append that was given up may still be on its way.
  await clock.pass(quietMs);
  const log = await checkNodes(test, cluster);
  const batches = batchesIn(log);
  test.same(history.problems(batches), [], 'every client was told the truth');
  const entries = entriesIn(batches).map(({ offset, text }) => ({ offset, text }));
  await cluster.until('the reader', () => workload.reads.length >= entries.length);
  test.same(workload.reads, entries, 'the reader has got everything in order, once');
  test.same(workload.surprises, []);
  await clock.run(workload.close());
  await checkDisks(test, cluster, log);
  await cluster.close();
  return log;
}

t.test('whatever happens, what clients were told is true in the end', async (t) => {
  for (let seed = firstSeed; seed <= lastSeed; seed += 1) {
    await t.test(`seed ${seed}`, async (t) => {
      const story: string[] = [];
      try {
        await run(t, seed, story);
      } finally {
        if (!t.passing()) t.comment(`seed ${seed}:\n${story.join('\n')}`);
      }
    });
  }
});

t.test('the same seed gives the same run', async (t) => {
  const stories: string[][] = [[], []];
  const logs: Buffer[] = [];
  for (const story of stories) logs.push(await run(t, firstSeed, story));
  t.same(stories[0], stories[1]);
  t.ok(logs[0]?.equals(logs[1] ?? Buffer.alloc(0)));
});
