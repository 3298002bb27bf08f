/** A run: real nodes, real clients, faults between them, and a judgement in the end. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { checkHistory } from '../checker/checker.js';
import { writeHistory } from '../checker/history-file.js';
import type { History, Violation } from '../checker/history.js';
import { seededRandom } from '../log/seeded-random.js';
import { NemesisCluster } from './cluster.js';
import { Contents } from './content.js';
import { readFinalLog, verifyDirectories } from './ending.js';
import type { FaultKind } from './faults/table.js';
import { callTimeoutMs } from './readers.js';
import { Recorder } from './recorder.js';
import { runFaults } from './schedule.js';
import { Story } from './story.js';
import { Volumes } from './volumes.js';
import { clientNames, Workload } from './workload.js';

export interface NemesisOptions {
  /** 3, 5 or 7. */
  readonly nodes: number;
  /** How long faults are injected; healing and judging come on top. */
  readonly seconds: number;
  /** Decides which faults there are, on whom and how; times are real. */
  readonly seed: number;
  readonly faults: readonly FaultKind[];
  /** What writers append in a second, all together. */
  readonly writtenPerSecond: number;
  /** Of this run alone: logs of the nodes, their data, `story.log`. */
  readonly directory: string;
  /** Leaves the history there as well, and the data even where it lies in mounted volumes. */
  readonly keeps: boolean;
  /** Data in volumes of their own, as `full-disk` needs them; this process must be able to mount. */
  readonly mounts: boolean;
  /** Gives the run up. */
  readonly signal: AbortSignal;
  readonly onProgress: (line: string) => void;
}

export interface NemesisResult {
  /** Entries. */
  readonly acknowledged: number;
  /** Injected, by kind. */
  readonly faults: Readonly<Partial<Record<FaultKind, number>>>;
  readonly lost: number;
  readonly duplicated: number;
  readonly reordered: number;
  /** Entries of which no client was told what became of them. */
  readonly unknown: number;
  readonly ok: boolean;
  /** Of all clients: appends, reads, waits and ends. */
  readonly operations: number;
  readonly seconds: number;
  readonly nodes: number;
  readonly seed: number;
  /** Everything that should not have been; empty if ok. */
  readonly problems: readonly string[];
}

const progressMs = 10_000;
const settledMs = 60_000;
const violationsToldMax = 20;
/** Faults delay answers; what is promised under them is that a call ends by its deadline. */
const wakeUpSlackMs = callTimeoutMs + 10_000;

/** Whatever happens, no node is left when it resolves or rejects. */
export async function runNemesis(options: NemesisOptions): Promise<NemesisResult> {
  const { directory, mounts, onProgress } = options;
  await mkdir(directory, { recursive: true });
  const story = new Story(join(directory, 'story.log'), onProgress);
  const ids = Array.from({ length: options.nodes }, (_, index) => `n${index + 1}`);
  const root = join(directory, mounts ? 'volumes' : 'nodes');
  const volumes = await Volumes.make(root, ids, { areMounted: mounts });
  const cluster = await NemesisCluster.plan(ids.length, clientNames, volumes, directory, story);
  const abandon = () => cluster.abandon();
  process.on('exit', abandon);
  try {
    const result = await runOn(cluster, story, options);
    if (options.keeps && mounts) await volumes.copyTo(join(directory, 'nodes'));
    return result;
  } finally {
    await cluster.close();
    process.off('exit', abandon);
    await story.close();
  }
}

async function runOn(
  cluster: NemesisCluster,
  story: Story,
  options: NemesisOptions,
): Promise<NemesisResult> {
  const { seed, nodes, onProgress } = options;
  await cluster.create();
  const startedAt = performance.now();
  const recorder = new Recorder(new Contents(seededRandom(seed)));
  const random = seededRandom(seed + 1);
  const workload = new Workload(cluster, recorder, story, random, options.writtenPerSecond);
  const progress = setInterval(() => {
    const elapsed = Math.round((performance.now() - startedAt) / 1000);
    const { acknowledged, unknown, failed, pendingCount } = recorder;
    const counts = `${acknowledged} acknowledged, ${unknown} unknown, ${failed} refused`;
    onProgress(`${elapsed} s: ${counts}, ${pendingCount} pending, ${story.faults} faults`);
  }, progressMs);
  const ending = new AbortController();
  const end = () => ending.abort();
  const timer = setTimeout(end, options.seconds * 1000);
  options.signal.addEventListener('abort', end, { once: true });
  try {
    const schedule = { cluster, story, kinds: options.faults, seed, ending: ending.signal };
    const faults = await runFaults(schedule);
    options.signal.throwIfAborted();
    const seconds = (performance.now() - startedAt) / 1000;
    onProgress('healed; waiting for every answer');
    await bringBack(cluster);
    await workload.finish();
    const { acknowledged, unknown } = recorder;
    const { operations, violations } = await judge(cluster, story, recorder, options);
    return {
      acknowledged,
      faults: Object.fromEntries(faults),
      lost: countOf(violations, ['lost']),
      duplicated: countOf(violations, ['duplicated']),
      reordered: countOf(violations, ['reordered', 'writer']),
      unknown,
      ok: story.problems.length === 0,
      operations,
      seconds: Math.round(seconds),
      nodes,
      seed,
      problems: story.problems,
    };
  } finally {
    clearTimeout(timer);
    options.signal.removeEventListener('abort', end);
    clearInterval(progress);
    await workload.close();
  }
}

/** Every link is whole and every node runs. */
async function bringBack(cluster: NemesisCluster): Promise<void> {
  cluster.network.heal();
  await Promise.all(cluster.ids.map((id) => cluster.restart(id)));
}

async function judge(
  cluster: NemesisCluster,
  story: Story,
  recorder: Recorder,
  { keeps, directory, onProgress }: NemesisOptions,
): Promise<{ readonly operations: number; readonly violations: readonly Violation[] }> {
  const isWhole = cluster.ids.every((id) => cluster.isRunning(id));
  const unsettled = await cluster.settled(isWhole ? settledMs : 0);
  if (unsettled !== undefined) story.problem(`the nodes do not come to agree: ${unsettled}`);
  onProgress('reading the log of every node');
  const final = await readFinalLog(cluster, recorder.contents, story);
  const history: History = { operations: recorder.finish(), final };
  if (keeps) await writeHistory(join(directory, 'history.jsonl'), history);
  onProgress(`checking ${history.operations.length} operations`);
  const violations = checkHistory(history, wakeUpSlackMs);
  for (const { kind, message } of violations.slice(0, violationsToldMax)) {
    story.problem(`${kind}: ${message}`);
  }
  await cluster.stop();
  onProgress('verifying every directory');
  await verifyDirectories(cluster, story);
  return { operations: history.operations.length, violations };
}

function countOf(violations: readonly Violation[], kinds: readonly string[]): number {
  return violations.filter(({ kind }) => kinds.includes(kind)).length;
}
