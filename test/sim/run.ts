/** One run of a cluster in bad weather, from beginning to end. It follows from its plan alone. */
import { clusterIdOf } from '../../server/log/identity.js';
import { defaults } from '../../server/options.js';
import { clusterName, EngineCluster } from '../engine/cluster.js';
import { TraceHash } from '../engine/trace-hash.js';
import { Dice } from './dice.js';
import { endRun } from './ending.js';
import { carryOut } from './faults.js';
import { calm } from './faults/network.js';
import { Monitor } from './invariants.js';
import type { Mode, Plan } from './plan.js';
import { drawPlan } from './plan.js';
import { Story } from './story.js';
import { Recorder } from './workload/recorder.js';
import { Workload } from './workload/workload.js';
import { World } from './world.js';

/** The clock takes a stretch of time that is longer for one that hangs. */
const stretchMs = 60_000;

export interface RunResult {
  readonly seed: number;
  readonly mode: Mode;
  readonly simulatedMs: number;
  /** Timers that ran: messages that arrived, disk operations that ended, ticks. */
  readonly events: number;
  /** Acknowledged. */
  readonly appends: number;
  readonly elections: number;
  readonly crashes: number;
  /** How often each fault was really injected. */
  readonly faults: Readonly<Record<string, number>>;
  readonly violations: readonly string[];
  /** The same for every run of the same plan. */
  readonly traceHash: string;
  readonly story: readonly string[];
}

export function runSeed(seed: number, options: { readonly mode?: Mode } = {}): Promise<RunResult> {
  return runPlan(drawPlan(seed, options.mode ?? 'survive'));
}

export async function runPlan(plan: Plan): Promise<RunResult> {
  const { seed, size, node, mode } = plan;
  const trace = new TraceHash();
  const diskDice = new Dice(seed).stream('disk');
  const { usualMs, slowMs, slowShare } = plan.disk;
  const cluster = new EngineCluster({
    seed,
    size,
    node,
    trace,
    diskDelayMs: () => diskDice.fraction() * (diskDice.chance(slowShare) ? slowMs : usualMs),
  });
  const { clock } = cluster;
  const ids = cluster.nodes.map(({ id }) => id);
  const stagingBytesMax = node.stagingBytesMax ?? defaults.stagingBytesMax;
  const clusterId = clusterIdOf(clusterName, ids, node.segmentBytesMax ?? defaults.segmentBytesMax);
  const monitor = new Monitor(cluster, clusterId, stagingBytesMax);
  const story = new Story(clock);
  const world = new World(cluster, plan, story, monitor);
  const recorder = new Recorder(clock);
  const onRejection = (reason: unknown) => monitor.report(`nobody catches ${textOf(reason)}`);
  process.on('unhandledRejection', onRejection);
  try {
    await drive(world, trace, recorder);
  } catch (error) {
    monitor.report(textOf(error));
  } finally {
    process.off('unhandledRejection', onRejection);
    await cluster.close();
  }
  for (const line of [...story.lines, ...monitor.violations]) trace.add(line);
  return {
    seed,
    mode,
    simulatedMs: clock.monotonicMs(),
    events: clock.ran,
    appends: recorder.acknowledged,
    elections: monitor.elections,
    crashes: world.crashes,
    faults: world.counts,
    violations: monitor.violations,
    traceHash: trace.digest(),
    story: story.lines,
  };
}

async function drive(world: World, trace: TraceHash, recorder: Recorder): Promise<void> {
  const { cluster, monitor, plan, supervisor } = world;
  const { clock, peers, clients } = cluster;
  await clock.run(supervisor.begin(clusterName));
  calm(world);
  peers.passes = (from, _, message) => {
    monitor.onMessage(from, message);
    return true;
  };
  clock.onTimer = (atMs, order) => {
    trace.add(atMs, order);
    monitor.observe();
    supervisor.reap();
  };
  for (const { name, unreachable } of plan.clients) {
    for (const index of unreachable) clients.cut(name, world.node(index).address);
  }
  for (const action of plan.actions) {
    world.after(action.atMs, () => carryOut(world, action));
  }
  const workload = new Workload(world, recorder);
  for (let leftMs = plan.durationMs; leftMs > 0; leftMs -= stretchMs) {
    await clock.pass(Math.min(leftMs, stretchMs));
  }
  await endRun(world, workload, recorder);
}

function textOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
