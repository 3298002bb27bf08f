/** The results for people to read: Markdown, as it stands in docs/BENCHMARKS.md. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { repositoryRoot } from '../project/repository.js';
import type { Contender, ContenderName } from './contender.js';
import { contenderNames } from './contender.js';
import { warmUpSecondsFor } from './driving.js';
import type { Result, Summary, WorkloadResult } from './results.js';

const titles: Record<ContenderName, string> = {
  loglog: 'LogLog',
  bare: 'bare pipe',
  etcd: 'etcd',
  jetstream: 'JetStream',
  redis: 'Redis',
};

const acknowledgedAfter: Record<ContenderName, string> = {
  loglog: 'a quorum has synced',
  bare: 'a quorum has synced',
  etcd: 'a quorum has synced',
  jetstream: 'a quorum has it, **unsynced** (synced every 2 minutes)',
  redis: 'the primary has synced; replicas have **received** it',
};

/** More than this of a core, with this much of the machine idle: the driver is what was measured. */
const driverCoresMax = 0.9;
const idleCoresMax = 0.5;

export interface ReportContext {
  readonly contenders: readonly { readonly contender: Contender; readonly version: string }[];
  readonly missing: readonly ContenderName[];
  readonly machine: string;
  readonly command: string;
  readonly date: Date;
  readonly rounds: number;
  readonly seconds: number;
}

export function reportOf(summary: Summary, context: ReportContext): string {
  const names = contenderNames.filter((name) =>
    context.contenders.some(({ contender }) => contender.name === name),
  );
  const doubts = doubtsAbout(summary);
  return [
    ...introduction(context),
    '',
    ...rateTable(summary, names),
    '',
    'Entries a second, but for `tail`: there milliseconds from the acknowledgement of an entry to its arrival at a reader on a node that does not lead, at the median. Median of the rounds, and in brackets the slowest and the fastest of them. LogLog ÷ the others: more is better, but for `tail`; where LogLog is behind, it is **bold**.',
    '',
    ...latencyTable(summary, names),
    '',
    'Milliseconds from the call of an append to its acknowledgement (`tail`: as above), medians of the rounds: p50 / p99 / p99.9 / largest.',
    '',
    ...(doubts.length === 0 ? [] : ['In doubt:', '', ...doubts.map((line) => `- ${line}`), '']),
    ...context.contenders.map(
      ({ contender, version }) =>
        `- **${titles[contender.name]}** (${version}): ${contender.notes}`,
    ),
    ...context.missing.map((name) => `- **${titles[name]}** is not installed and was left out.`),
    '',
  ].join('\n');
}

/** What makes a table say less than it seems to. */
export function doubtsAbout({ workloads }: Summary): string[] {
  return workloads.flatMap((workload) => {
    const held = contenderNames.filter((name) => isHeldBack(workload[name]));
    return [
      ...doubtAboutCeiling(workload),
      ...held.map((name) => `${workload.name}: ${titles[name]} may be held back by its driver`),
    ];
  });
}

/** A ceiling that is lower than what it is over is none, however little they differ. */
function doubtAboutCeiling({ name, loglog, bare, ratios }: WorkloadResult): string[] {
  if (loglog === undefined || bare === undefined || ratios.bare === undefined) return [];
  if (behind(name, ratios.bare) !== 'theirs') return [];
  const [, fastest] = bare.entriesPerSecondSpread;
  const isClose = name !== 'tail' && loglog.entriesPerSecond <= fastest;
  const howMuch = isClose ? ', though its fastest round is faster' : '';
  return [`${name}: the bare pipe, the ceiling, is slower than LogLog: invalid${howMuch}`];
}

/**
 * Puts the report of a command between its marks in docs/BENCHMARKS.md; what is written around
 * them stays. Without the file, or the marks, it makes or extends it.
 */
export async function writeReport(script: string, report: string): Promise<void> {
  const path = join(repositoryRoot, 'docs', 'BENCHMARKS.md');
  const begin = `<!-- Written by \`npm run ${script}\`: -->`;
  const end = `<!-- Up to here: ${script}. -->`;
  const old = existsSync(path) ? readFileSync(path, 'utf8') : '# Benchmarks\n';
  const [before = '', rest] = old.split(begin);
  const after = rest?.split(end)[1] ?? '\n';
  const text = `${before.trimEnd()}\n\n${begin}\n\n${report}\n${end}\n${after}`;
  const config = await resolveConfig(path);
  writeFileSync(path, await format(text, { ...config, filepath: path }));
}

function introduction(context: ReportContext): string[] {
  const { date, machine, command, rounds, seconds } = context;
  const day = date.toISOString().slice(0, 10);
  return [
    `${day}; ${machine}. Everything on this machine, over loopback, three nodes each; ${rounds} rounds of ${seconds} s for each measurement, after a warm-up of ${warmUpSecondsFor(seconds)} s, each on a cluster started empty, \`sync\` before it, the order rotated from round to round:`,
    '',
    '```sh',
    command,
    '```',
  ];
}

function rateTable({ workloads }: Summary, names: readonly ContenderName[]): string[] {
  const others = names.filter((name) => name !== 'loglog');
  const shownRatios = names.includes('loglog') ? others : [];
  return table([
    ['workload', ...names.map((name) => titles[name]), ...shownRatios.map((n) => `÷ ${titles[n]}`)],
    [
      'acknowledged after',
      ...names.map((name) => acknowledgedAfter[name]),
      ...shownRatios.map(() => ''),
    ],
    ...workloads.map((workload) => [
      `\`${workload.name}\``,
      ...names.map((name) => figureOf(workload.name, workload[name])),
      ...shownRatios.map((name) => ratioOf(workload, name)),
    ]),
  ]);
}

function latencyTable({ workloads }: Summary, names: readonly ContenderName[]): string[] {
  const timed = workloads.filter((workload) =>
    names.some((name) => (workload[name]?.latencyMs ?? null) !== null),
  );
  return table([
    ['workload', ...names.map((name) => titles[name])],
    ...timed.map((workload) => [
      `\`${workload.name}\``,
      ...names.map((name) => latencyOf(workload[name])),
    ]),
  ]);
}

export function table([head = [], ...rows]: readonly (readonly string[])[]): string[] {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`);
}

function figureOf(workload: string, result: Result | undefined): string {
  if (result === undefined) return '–';
  if (workload === 'tail') {
    const { latencyMs, p50MsSpread } = result;
    if (latencyMs === null || p50MsSpread === null) return '–';
    return `${milliseconds(latencyMs.p50)} ms (${p50MsSpread.map(milliseconds).join('–')})`;
  }
  return `${rate(result.entriesPerSecond)} (${result.entriesPerSecondSpread.map(rate).join('–')})`;
}

function latencyOf(result: Result | undefined): string {
  if (result === undefined || result.latencyMs === null) return '–';
  const { p50, p99, p999, max } = result.latencyMs;
  return [p50, p99, p999, max].map(milliseconds).join(' / ');
}

function ratioOf(workload: WorkloadResult, name: Exclude<ContenderName, 'loglog'>): string {
  const ratio = workload.ratios[name];
  if (ratio === undefined) return '–';
  const text = ratio >= 10 ? ratio.toFixed(0) : ratio.toFixed(2);
  return behind(workload.name, ratio) === 'ours' ? `**${text}**` : text;
}

/** Whose figure is the worse one. */
function behind(workload: string, ratio: number): 'ours' | 'theirs' | 'neither' {
  if (ratio === 1) return 'neither';
  return ratio < 1 === (workload !== 'tail') ? 'ours' : 'theirs';
}

function isHeldBack(result: Result | undefined): boolean {
  if (result === undefined) return false;
  return result.driverCores > driverCoresMax && result.idleCores > idleCoresMax;
}

export function rate(entriesPerSecond: number): string {
  const digits = entriesPerSecond < 100 ? 1 : 0;
  return entriesPerSecond.toLocaleString('en-US', { maximumFractionDigits: digits });
}

export function milliseconds(value: number): string {
  return value < 10 ? value.toFixed(2) : value.toFixed(0);
}
