/**
 * One bit of every byte of one node's directory turns over, each in a run of its own: the node
 * repairs it, comes back as another incarnation, or refuses aloud; wrong bytes are never served.
 */
import { LogLogError } from '../../proto/errors.js';
import type { TestNode } from '../engine/cluster.js';
import { EngineCluster } from '../engine/cluster.js';
import { seededRandom } from '../log/seeded-random.js';
import { readAll } from './read-all.js';

export interface FlipOptions {
  readonly seed: number;
  /** Every how many-th byte. */
  readonly step: number;
  /** The first byte of each file. */
  readonly first: number;
}

/** Bytes by what became of the node. */
export interface FlipReport {
  flips: number;
  /** Nothing that counts was there, or the disk healed itself (a second copy). */
  unaffected: number;
  /** From other nodes, the node keeping its promises. */
  repaired: number;
  rejoined: number;
  refused: number;
  /** What must not be: the byte, and what went wrong. */
  readonly wrong: string[];
}

const segmentBytesMax = 64 * 1024;
const entries = 12;
const settleMsMax = 30_000;

/** `onFlip` is told what has become of all so far. */
export async function flipBytes(
  options: FlipOptions,
  onFlip: (report: FlipReport) => void = () => undefined,
): Promise<FlipReport> {
  const random = seededRandom(options.seed);
  const cluster = await grown(options.seed);
  const expected = await wholeLog(cluster, cluster.nodes[0]);
  for (const node of cluster.nodes) await cluster.clock.run(node.stop());
  const snapshots = cluster.nodes.map(({ disk }) => disk.snapshot());
  const [victim] = cluster.nodes;
  const report: FlipReport = {
    ...{ flips: 0, unaffected: 0, repaired: 0, rejoined: 0, refused: 0 },
    wrong: [],
  };
  if (victim === undefined) return report;
  for (const { path, length } of victim.disk.files()) {
    for (let at = options.first; at < length; at += options.step) {
      for (const [i, node] of cluster.nodes.entries()) {
        const snapshot = snapshots[i];
        if (snapshot !== undefined) node.disk.restore(snapshot);
      }
      const bit = Math.floor(random.fraction() * 8);
      victim.disk.flipBit(path, at, bit);
      report.flips += 1;
      const problem = await outcomeOf(cluster, victim, expected, report);
      if (problem !== undefined) report.wrong.push(`${path}, byte ${at}, bit ${bit}: ${problem}`);
      for (const node of cluster.nodes) if (node.isRunning) node.crash();
      onFlip(report);
    }
  }
  return report;
}

/** A cluster with a log of two segments, a checkpoint and something of everything. */
async function grown(seed: number): Promise<EngineCluster> {
  const cluster = await EngineCluster.start({
    seed,
    node: { electionTimeoutMs: 200, segmentBytesMax },
  });
  const client = cluster.client();
  for (let i = 0; i < entries; i += 1) {
    await cluster.clock.run(client.append(Buffer.alloc(6000, i)));
  }
  await cluster.clock.run(client.close());
  await cluster.settled();
  return cluster;
}

/** What is wrong; undefined if nothing is. */
async function outcomeOf(
  cluster: EngineCluster,
  victim: TestNode,
  expected: Buffer,
  report: FlipReport,
): Promise<string | undefined> {
  const others = cluster.nodes.filter((node) => node !== victim);
  let refusal: Error | null = null;
  const starting = victim.start().catch((error: unknown) => {
    refusal = error instanceof Error ? error : new Error('no error at all');
  });
  await cluster.clock.run(Promise.all(others.map((node) => node.start())));
  const { incarnation } = await othersStatus(others);
  const endMs = cluster.clock.monotonicMs() + settleMsMax;
  while (cluster.clock.monotonicMs() < endMs && refusal === null) {
    await cluster.clock.pass(100);
    if (victim.failure !== null) refusal = victim.failure;
    if (await isSettled(cluster, victim)) break;
  }
  if (refusal !== null) {
    await cluster.clock.run(starting);
    report.refused += 1;
    return refusal instanceof LogLogError ? undefined : `it broke: ${String(refusal)}`;
  }
  if (!(await isSettled(cluster, victim))) return 'it neither came back nor refused';
  const served = await wholeLog(cluster, victim);
  if (!served.subarray(0, expected.length).equals(expected)) return 'it serves other bytes';
  const status = await victim.status();
  if (status.incarnation !== incarnation) report.rejoined += 1;
  else if (status.repairs.ranges > 0) report.repaired += 1;
  else report.unaffected += 1;
  return undefined;
}

async function othersStatus(others: readonly TestNode[]) {
  const [first] = others;
  if (first === undefined) throw new Error('there are other nodes');
  return first.status();
}

async function isSettled(cluster: EngineCluster, victim: TestNode): Promise<boolean> {
  if (victim.reachable === undefined) return false;
  const statuses = await Promise.all(cluster.nodes.map((node) => node.status()));
  const offsets = statuses.flatMap((one) => [one.commitOffset, one.durableOffset, one.endOffset]);
  return new Set(offsets).size === 1 && statuses.some(({ role }) => role === 'leader');
}

function wholeLog(cluster: EngineCluster, node: TestNode | undefined): Promise<Buffer> {
  if (node === undefined) throw new Error('there are nodes');
  return cluster.clock.run(readAll(node));
}
