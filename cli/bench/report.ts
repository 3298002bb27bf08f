/** What a benchmark came to, as lines for people and as one line of JSON. */
import { formatTable } from '../table.js';
import type { LatencyMs } from './latency.js';
import type { Comparison } from './ledger.js';
import type { Measured } from './tally.js';
import type { NodeUsage } from './usage.js';

/** `name` in JSON, `what` for people; null where nothing was timed. */
export interface Timed {
  readonly name: string;
  readonly what: string;
  readonly latency: LatencyMs | null;
}

export interface Report {
  readonly measured: Measured;
  readonly nodes: readonly NodeUsage[];
  readonly timed: readonly Timed[];
  /** Null where the log was not written here. */
  readonly check: Comparison | null;
  /** How it was done: by name, in the order in which it is shown. */
  readonly settings: Readonly<Record<string, string | number | null>>;
}

/** Names are stable (docs/OPERATIONS.md). */
export function reportJson({ measured, nodes, timed, check, settings }: Report): object {
  const { entries, bytes, seconds } = measured;
  return {
    ...settings,
    entries,
    bytes,
    seconds: rounded(seconds, 3),
    entriesPerSecond: rounded(entries / seconds, 1),
    megabytesPerSecond: rounded(bytes / seconds / 1e6, 3),
    ...Object.fromEntries(timed.map(({ name, latency }) => [name, latency])),
    batches: {
      staged: sum(nodes.map(({ stagedBatches }) => stagedBatches)),
      inlined: sum(nodes.map(({ inlinedBatches }) => inlinedBatches)),
    },
    nodes: nodes.map((node) => ({ ...node, cores: rounded(node.cores, 3) })),
    check,
  };
}

export function reportLines({ measured, nodes, timed, check, settings }: Report): string[] {
  const { entries, bytes, seconds } = measured;
  const known = Object.entries(settings).filter(([, value]) => value !== null);
  return [
    known.map(([name, value]) => `${name} ${value}`).join(', '),
    `${grouped(entries)} entries in ${seconds.toFixed(1)} s: ` +
      `${grouped(Math.round(entries / seconds))} entries/s, ${(bytes / seconds / 1e6).toFixed(1)} MB/s`,
    ...latencyTable(timed),
    '',
    ...nodeTable(nodes),
    ...(check === null ? [] : ['', checkLine(check)]),
  ];
}

function latencyTable(timed: readonly Timed[]): string[] {
  const rows = timed.flatMap(({ what, latency }) => {
    if (latency === null) return [];
    const { p50, p90, p99, p999, max } = latency;
    return [[what, ...[p50, p90, p99, p999, max].map((time) => time.toFixed(2))]];
  });
  if (rows.length === 0) return [];
  return ['', ...formatTable([['milliseconds', 'p50', 'p90', 'p99', 'p99.9', 'max'], ...rows])];
}

function nodeTable(nodes: readonly NodeUsage[]): string[] {
  return formatTable([
    ['node', 'role', 'CPU', 'memory', 'staged', 'inlined', 'to peers'],
    ...nodes.map(
      ({ id, role, cores, residentBytes, stagedBatches, inlinedBatches, peerBytesSent }) => [
        id,
        role,
        `${Math.round(100 * cores)} %`,
        `${Math.round(residentBytes / 2 ** 20)} MiB`,
        grouped(stagedBatches),
        grouped(inlinedBatches),
        `${(peerBytesSent / 1e6).toFixed(2)} MB`,
      ],
    ),
  ]);
}

export function checkLine({ appended, found, breaks, offsetsAgree, ok }: Comparison): string {
  const counts = `${grouped(appended)} entries appended, ${grouped(found)} read back`;
  if (ok) return `${counts}, each where it was acknowledged`;
  const offsets = offsetsAgree ? '' : ', offsets that are not those acknowledged';
  return `${counts}, ${grouped(breaks)} times not the next one${offsets}`;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

function grouped(count: number): string {
  return count.toLocaleString('en');
}
