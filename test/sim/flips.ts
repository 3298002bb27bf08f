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

/** One cluster lives through so many flips: what ended in it stays in memory. */
const flipsOfOne = 200;

/** A cluster that was stopped, and can begin again as it was then. */
interface Stopped {
  readonly cluster: EngineCluster;
  readonly victim: TestNode;
  readonly log: Buffer;
  restore(): void;
}

/** `onFlip` is told what has become of all so far. */
export async function flipBytes(
  { seed, step, first }: FlipOptions,
  onFlip: (report: FlipReport) => void = () => undefined,
): Promise<FlipReport> {
  const random = seededRandom(seed);
  const report: FlipReport = {
    ...{ flips: 0, unaffected: 0, repaired: 0, rejoined: 0, refused: 0 },
    wrong: [],
  };
  let stopped = await grown(seed);
  for (const { path, length } of stopped.victim.disk.files()) {
    for (let at = first; at < length; at += step) {
      if (report.flips % flipsOfOne === 0) stopped = await grown(seed);
      const bit = Math.floor(random.fraction() * 8);
      stopped.restore();
      stopped.victim.disk.flipBit(path, at, bit);
      report.flips += 1;
      const problem = await outcomeOf(stopped, report);
      if (problem !== undefined) report.wrong.push(`${path}, byte ${at}, bit ${bit}: ${problem}`);
      for (const node of stopped.cluster.nodes) if (node.isRunning) node.crash();
      onFlip(report);
    }
  }
  return report;
}

/** With a log of two segments, a checkpoint and something of everything; the same each time. */
async function grown(seed: number): Promise<Stopped> {
  const cluster = await EngineCluster.start({
    seed,
    node: { electionTimeoutMs: 200, segmentBytesMax },
  });
  const { clock, nodes } = cluster;
  const client = cluster.client();
  for (let i = 0; i < entries; i += 1) await clock.run(client.append(Buffer.alloc(6000, i)));
  await clock.run(client.close());
  await cluster.settled();
  const [victim] = nodes;
  if (victim === undefined) throw new Error('there are nodes');
  const log = await clock.run(readAll(victim));
  for (const node of nodes) await clock.run(node.stop());
  const images = nodes.map((node) => ({ node, image: node.disk.snapshot() }));
  return {
    cluster,
    victim,
    log,
    restore() {
      for (const { node, image } of images) node.disk.restore(image);
    },
  };
}

/** What is wrong; undefined if nothing is. */
async function outcomeOf(
  { cluster, victim, log }: Stopped,
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
  const served = await cluster.clock.run(readAll(victim));
  if (!served.subarray(0, log.length).equals(log)) return 'it serves other bytes';
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
