/** Rounds of measurements, each on a cluster that is started empty and stopped. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { orDeadline } from '../../cli/session.js';
import type { Cluster, Contender, ContenderName, Measured } from './contender.js';
import type { Workload } from './workloads.js';

const preparationSecondsMax = 300;

export interface Sample {
  readonly workload: string;
  readonly contender: ContenderName;
  readonly measured: Measured;
  /** Of the process that drives, unless a tool of the peer's does: 1 is a whole core. */
  readonly driverCores: number;
  /** Of the machine, meanwhile. */
  readonly idleCores: number;
}

export interface RunOptions {
  readonly contenders: readonly Contender[];
  readonly workloads: readonly Workload[];
  readonly rounds: number;
  readonly seconds: number;
  /** Temporary directories are made below, and removed. */
  readonly directory: string;
  readonly signal: AbortSignal;
  readonly onSample: (sample: Sample, done: number, total: number) => void;
}

/** Every workload for every contender in each round; who comes first changes from round to round. */
export async function run(options: RunOptions): Promise<Sample[]> {
  const { contenders, workloads, rounds, signal } = options;
  const total = contenders.length * workloads.length * rounds;
  const samples: Sample[] = [];
  for (let round = 0; round < rounds; round++) {
    for (const workload of workloads) {
      for (const contender of rotated(contenders, round)) {
        signal.throwIfAborted();
        const sample = await measureOne(contender, workload, options);
        samples.push(sample);
        options.onSample(sample, samples.length, total);
      }
    }
  }
  return samples;
}

export function rotated<T>(items: readonly T[], by: number): T[] {
  const start = by % items.length;
  return [...items.slice(start), ...items.slice(0, start)];
}

async function measureOne(
  contender: Contender,
  workload: Workload,
  { directory, seconds, signal }: RunOptions,
): Promise<Sample> {
  const own = await mkdtemp(join(directory, `bench-${contender.name}-`));
  try {
    const cluster = await contender.start(own);
    try {
      await sync();
      const usage = new Usage();
      const measured = await unlessAborted(
        withinReason(cluster.measure(workload, seconds), seconds),
        signal,
      );
      return { workload: workload.name, contender: contender.name, measured, ...usage.sinceThen };
    } finally {
      await cluster.stop();
    }
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw new Error(`${contender.name}, ${workload.name}`, { cause: error });
  } finally {
    await rm(own, { recursive: true, force: true });
  }
}

/** Filling a log to be read takes longer than what is measured; nothing takes for ever. */
function withinReason(work: Promise<Measured>, seconds: number): Promise<Measured> {
  return orDeadline(1000 * (2 * seconds + preparationSecondsMax), 'the measurement', work);
}

/** What is left of the work ends when the cluster is stopped under it. */
async function unlessAborted(
  work: ReturnType<Cluster['measure']>,
  signal: AbortSignal,
): Promise<Measured> {
  work.catch(() => {});
  const done = new AbortController();
  try {
    const aborted = once(signal, 'abort', { signal: done.signal }).then(() => {
      throw signal.reason;
    });
    aborted.catch(() => {});
    signal.throwIfAborted();
    return await Promise.race([work, aborted]);
  } finally {
    done.abort();
  }
}

/** What earlier measurements have left to write is written before the next one. */
async function sync(): Promise<void> {
  const [status] = (await once(spawn('sync', { stdio: 'ignore' }), 'exit')) as [number | null];
  if (status !== 0) throw new Error('sync has failed');
}

/** Processor time since it was made, preparations and warm-up included. */
class Usage {
  readonly #atMs = performance.now();
  readonly #driver = process.cpuUsage();
  readonly #idleMs = idleMs();

  get sinceThen(): Pick<Sample, 'driverCores' | 'idleCores'> {
    const elapsedMs = performance.now() - this.#atMs;
    const { user, system } = process.cpuUsage(this.#driver);
    return {
      driverCores: (user + system) / 1000 / elapsedMs,
      idleCores: (idleMs() - this.#idleMs) / elapsedMs,
    };
  }
}

/** Of all cores together. */
function idleMs(): number {
  return cpus().reduce((sum, { times }) => sum + times.idle, 0);
}
