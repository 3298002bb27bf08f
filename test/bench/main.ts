/** `npm run bench:peers`: LogLog and others at the same work, in one run. */
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { resolve } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { tuneV8 } from '../../cli/v8.js';
import { countRange, number } from '../command-line.js';
import { bare } from './bare/bare.js';
import type { Contender, ContenderName } from './contender.js';
import { contenderNames } from './contender.js';
import { etcd } from './peers/etcd.js';
import { jetstream } from './peers/jetstream.js';
import { loglog } from './loglog.js';
import { checkDisk, describeMachine } from './machine.js';
import { redis } from './peers/redis.js';
import { doubtsAbout, reportOf, writeReport } from './report.js';
import { summarize } from './results.js';
import type { Sample } from './run.js';
import { run } from './run.js';
import type { Workload } from './workloads.js';
import { workloads } from './workloads.js';

const contenders: readonly Contender[] = [loglog, bare, etcd, jetstream, redis];

const seconds = 10;
const quickSeconds = 2;
/** Filling a log to read takes the slower ones long. */
const quickReadBytesMax = 64 * 2 ** 20;

interface Flags {
  readonly quick?: true;
  readonly rounds: number;
  readonly seconds?: number;
  readonly only?: readonly string[];
  readonly peers?: readonly ContenderName[];
  readonly json?: string;
  readonly report: boolean;
  readonly directory: string;
}

const workloadNames = workloads.map(({ name }) => name);

const command = new Command('bench:peers')
  .description('measures LogLog and the peers that are installed at the same work')
  .option('--quick', `${quickSeconds} s for each measurement in the place of ${seconds}`)
  .addOption(number('--rounds <count>', 'of everything', countRange, 3))
  .addOption(number('--seconds <count>', 'for each measurement', countRange).conflicts('quick'))
  .addOption(names('--only <name,...>', 'workloads', workloadNames))
  .addOption(names('--peers <name,...>', 'who is measured', contenderNames))
  .option('--json <file>', 'write the results there')
  .option(
    '--no-report',
    'leave docs/BENCHMARKS.md alone, as all but whole runs of 10 s and three rounds do',
  )
  .option('--directory <directory>', 'on the disk to be measured', tmpdir())
  .action(main);

async function main(flags: Flags): Promise<void> {
  const directory = resolve(flags.directory);
  await checkDisk(directory);
  const { present, missing } = await whoIsHere(flags.peers ?? contenderNames);
  const chosen = workloadsFor(flags);
  const secondsEach = flags.seconds ?? (flags.quick ? quickSeconds : seconds);
  const machine = await describeMachine(directory);
  const date = new Date();
  const samples = await run({
    contenders: present.map(({ contender }) => contender),
    workloads: chosen,
    rounds: flags.rounds,
    seconds: secondsEach,
    directory,
    signal: interruption(),
    onSample: (sample, done, total) => tell(`${done}/${total} ${lineOf(sample)}`),
  });
  const summary = summarize(chosen, samples);
  const report = reportOf(summary, {
    contenders: present,
    missing,
    machine,
    command: ['npm run bench:peers --', ...process.argv.slice(2)].join(' ').replace(/ --$/, ''),
    date,
    rounds: flags.rounds,
    seconds: secondsEach,
  });
  if (flags.json !== undefined) writeFileSync(flags.json, `${JSON.stringify(summary)}\n`);
  process.stdout.write(report);
  if (isWhole(flags)) await writeReport('bench:peers', report);
  for (const doubt of doubtsAbout(summary)) tell(`in doubt: ${doubt}`);
}

/** A missing one is told by name; LogLog is never missing. */
async function whoIsHere(wanted: readonly ContenderName[]): Promise<{
  present: { contender: Contender; version: string }[];
  missing: ContenderName[];
}> {
  const present: { contender: Contender; version: string }[] = [];
  const missing: ContenderName[] = [];
  for (const contender of contenders.filter(({ name }) => wanted.includes(name))) {
    const version = await contender.version();
    if (version === undefined) {
      missing.push(contender.name);
      tell(`${contender.name} is not installed and is left out: docs/OPERATIONS.md says how`);
    } else {
      present.push({ contender, version });
      tell(`${contender.name}: ${version}`);
    }
  }
  if (present.length === 0) throw new Error('nobody is here to be measured');
  return { present, missing };
}

function workloadsFor({ only = workloadNames, quick }: Flags): Workload[] {
  return workloads
    .filter(({ name }) => only.includes(name))
    .map((workload) =>
      quick === true && workload.kind === 'read'
        ? { ...workload, totalBytes: Math.min(workload.totalBytes, quickReadBytesMax) }
        : workload,
    );
}

/** What may stand in docs/BENCHMARKS.md. */
function isWhole(flags: Flags): boolean {
  const isLong = flags.quick !== true && (flags.seconds ?? seconds) >= seconds && flags.rounds >= 3;
  return flags.report && isLong && flags.only === undefined && flags.peers === undefined;
}

/** The first signal stops what runs and removes its data; a second one ends this process. */
function interruption(): AbortSignal {
  const controller = new AbortController();
  const interrupt = () => {
    if (controller.signal.aborted) process.exit(1);
    controller.abort(new Error('interrupted'));
  };
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);
  return controller.signal;
}

function lineOf({ workload, contender, measured, driverCores, idleCores }: Sample): string {
  const { entries, seconds: elapsed, latencyMs } = measured;
  const rate = `${Math.round(entries / elapsed)}/s`;
  const p50 = latencyMs === null ? '' : `, p50 ${latencyMs.p50.toFixed(2)} ms`;
  const cores = `driver ${driverCores.toFixed(2)} cores, ${idleCores.toFixed(2)} idle`;
  return `${workload} ${contender}: ${rate}${p50}, ${cores}`;
}

function names<T extends string>(flags: string, description: string, known: readonly T[]): Option {
  return new Option(flags, `${description}: of ${known.join(', ')}`).argParser((text) =>
    text.split(',').map((name) => {
      const match = known.find((one) => one === name);
      if (match === undefined) throw new InvalidArgumentError(`${name} is none of them.`);
      return match;
    }),
  );
}

function tell(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** With what it was caused by, which names the server's own words. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? '' : `: ${describe(error.cause)}`;
  return `${error.message}${cause}`;
}

tuneV8();
try {
  await command.parseAsync();
} catch (error) {
  tell(`error: ${describe(error)}`);
  process.exitCode = 1;
}
// A measurement that was interrupted may still wait for an answer.
process.exit();
