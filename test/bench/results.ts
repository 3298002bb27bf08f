/** What the samples of all rounds come to; its JSON is what `--json` writes. */
import type { LatencyMs } from '../../cli/bench/latency.js';
import type { ContenderName } from './contender.js';
import { contenderNames } from './contender.js';
import type { Sample } from './run.js';
import type { Workload } from './workloads.js';

/** Of one contender in one workload: medians over the rounds. */
export interface Result {
  readonly rounds: number;
  readonly entriesPerSecond: number;
  /** Of 10^6 bytes of entries. */
  readonly megabytesPerSecond: number;
  /** The slowest and the fastest round. */
  readonly entriesPerSecondSpread: readonly [number, number];
  /** Each a median over the rounds, the largest maximum too; null where entries are not timed. */
  readonly latencyMs: LatencyMs | null;
  /** The smallest and the largest median of a round. */
  readonly p50MsSpread: readonly [number, number] | null;
  readonly driverCores: number;
  readonly idleCores: number;
}

type Results = { readonly [name in ContenderName]?: Result };

/**
 * LogLog ÷ the other: in entries a second; in `tail` its milliseconds at the median, of which
 * fewer are better. Of those that were measured beside LogLog.
 */
export type Ratios = { readonly [name in Exclude<ContenderName, 'loglog'>]?: number };

export type WorkloadResult = Results & { readonly name: string; readonly ratios: Ratios };

export interface Summary {
  readonly workloads: readonly WorkloadResult[];
}

export function summarize(workloads: readonly Workload[], samples: readonly Sample[]): Summary {
  return {
    workloads: workloads.map((workload) => {
      const of = (name: ContenderName) =>
        samples.filter((one) => one.workload === workload.name && one.contender === name);
      const results: Results = Object.fromEntries(
        contenderNames
          .map((name) => [name, of(name)] as const)
          .filter(([, own]) => own.length > 0)
          .map(([name, own]) => [name, resultOf(workload, own)]),
      );
      return { name: workload.name, ...results, ratios: ratiosOf(workload, results) };
    }),
  };
}

function resultOf({ entryBytes }: Workload, samples: readonly Sample[]): Result {
  const rates = samples.map(({ measured }) => measured.entries / measured.seconds);
  const latencies = samples
    .map(({ measured }) => measured.latencyMs)
    .filter((latencyMs) => latencyMs !== null);
  const entriesPerSecond = median(rates);
  return {
    rounds: samples.length,
    entriesPerSecond,
    megabytesPerSecond: (entriesPerSecond * entryBytes) / 1e6,
    entriesPerSecondSpread: spread(rates),
    latencyMs: latencies.length === 0 ? null : medians(latencies),
    p50MsSpread: latencies.length === 0 ? null : spread(latencies.map(({ p50 }) => p50)),
    driverCores: median(samples.map(({ driverCores }) => driverCores)),
    idleCores: median(samples.map(({ idleCores }) => idleCores)),
  };
}

function medians(latencies: readonly LatencyMs[]): LatencyMs {
  const of = (key: keyof LatencyMs) => median(latencies.map((latencyMs) => latencyMs[key]));
  return { p50: of('p50'), p90: of('p90'), p99: of('p99'), p999: of('p999'), max: of('max') };
}

/** An entry that is seen before its acknowledgement counts as the least that is recorded: 1 µs. */
function noticeableMs(kind: Workload['kind']): number {
  return kind === 'tail' ? 0.001 : 0;
}

function ratiosOf({ kind }: Workload, { loglog, ...others }: Results): Ratios {
  if (loglog === undefined) return {};
  const figure = (result: Result) =>
    kind === 'tail' ? result.latencyMs?.p50 : result.entriesPerSecond;
  const ours = figure(loglog);
  const ratios = Object.entries(others).flatMap(([name, result]) => {
    const theirs = figure(result);
    if (ours === undefined || theirs === undefined || theirs <= noticeableMs(kind)) return [];
    return [[name, ours / theirs] as const];
  });
  return Object.fromEntries(ratios);
}

/** Of an even number the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other);
  const middle = (sorted.length - 1) / 2;
  const below = sorted[Math.floor(middle)];
  const above = sorted[Math.ceil(middle)];
  if (below === undefined || above === undefined) throw new Error('nothing has no median');
  return (below + above) / 2;
}

function spread(values: readonly number[]): readonly [number, number] {
  return [Math.min(...values), Math.max(...values)];
}
