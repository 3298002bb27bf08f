/** `npm run nemesis`: real processes under faults, and one line of JSON about what came of it. */
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { countRange, number, secondsRange, seedRange } from '../command-line.js';
import type { FaultKind } from './faults/table.js';
import { faultKinds } from './faults/table.js';
import { canMount, runInNamespace } from './namespace.js';
import type { NemesisResult } from './run.js';
import { runNemesis } from './run.js';
import { writtenPerSecondDefault } from './workload.js';

/** A run that acknowledges less, or knows less of what it did, shows too little. */
const acknowledgedPerMinuteMin = 15_000;
const unknownShareMax = 0.05;

interface Flags {
  readonly nodes: '3' | '5' | '7';
  readonly seconds: number;
  readonly seed: number;
  readonly json?: true;
  readonly faults?: readonly FaultKind[];
  readonly keep?: string;
  readonly rate?: number;
  /** Where this process, in a namespace of its own, is to work. */
  readonly within?: string;
}

const command = new Command('nemesis')
  .description('runs a cluster of processes under faults and checks what clients were told')
  .addOption(new Option('--nodes <count>', 'how many').choices(['3', '5', '7']).default('3'))
  .addOption(number('--seconds <count>', 'how long faults are injected', secondsRange, 60))
  .addOption(number('--seed <number>', 'decides on the faults', seedRange, Date.now() % 1_000_000))
  .addOption(
    new Option('--faults <kind,...>', `of ${faultKinds.join(', ')}`).argParser(parseFaults),
  )
  .option('--keep <directory>', 'leave history, logs and data there')
  .addOption(
    number(
      '--rate <count>',
      `entries that writers append in a second (${writtenPerSecondDefault})`,
      countRange,
    ),
  )
  .option('--json', 'one line of JSON instead of one for each value')
  .addOption(new Option('--within <directory>').hideHelp())
  .action(async (flags: Flags) => {
    process.exitCode = flags.within === undefined ? await prepare(flags) : await run(flags);
  });

/** Makes the directory, and the namespace if there is to be one. Returns the exit status. */
async function prepare(flags: Flags): Promise<number> {
  const directory = await makeDirectory(flags.keep);
  try {
    const faults = flags.faults ?? faultKinds;
    if (!faults.includes('full-disk')) return await run({ ...flags, within: directory });
    if (await canMount()) {
      const args = ['--seed', String(flags.seed), '--within', directory];
      return await runInNamespace([...process.argv.slice(2), ...args]);
    }
    if (flags.faults !== undefined) throw new Error('full-disk needs the right to mount a tmpfs');
    tell('full-disk is left out: no tmpfs can be mounted here');
    const others = faults.filter((kind) => kind !== 'full-disk');
    return await run({ ...flags, faults: others, within: directory });
  } finally {
    if (flags.keep === undefined) await rm(directory, { recursive: true, force: true });
  }
}

async function makeDirectory(keep: string | undefined): Promise<string> {
  if (keep === undefined) return mkdtemp(join(tmpdir(), 'loglog-nemesis-'));
  const directory = resolve(keep);
  await mkdir(directory, { recursive: true });
  if ((await readdir(directory)).length > 0) throw new Error(`${directory} is not empty`);
  return directory;
}

async function run(flags: Flags): Promise<number> {
  const interruption = new AbortController();
  const interrupt = () => interruption.abort(new Error('interrupted'));
  process.once('SIGINT', interrupt);
  process.once('SIGTERM', interrupt);
  process.once('disconnect', interrupt);
  try {
    return await runUntil(flags, interruption.signal);
  } finally {
    // Who waits for it would wait for ever.
    if (process.connected) process.disconnect();
  }
}

async function runUntil(flags: Flags, signal: AbortSignal): Promise<number> {
  const faults = flags.faults ?? faultKinds;
  tell(`seed ${flags.seed}, ${flags.nodes} nodes, ${flags.seconds} s: ${faults.join(', ')}`);
  const result = await runNemesis({
    nodes: Number(flags.nodes),
    seconds: flags.seconds,
    seed: flags.seed,
    faults,
    writtenPerSecond: flags.rate ?? writtenPerSecondDefault,
    directory: flags.within ?? '',
    keeps: flags.keep !== undefined,
    mounts: faults.includes('full-disk'),
    signal,
    onProgress: tell,
  });
  const missing = flags.rate === undefined ? shortfalls(result) : [];
  const problems = [...result.problems, ...missing];
  const full = { ...result, ok: problems.length === 0, problems };
  process.stdout.write(flags.json === true ? `${JSON.stringify(full)}\n` : readable(full));
  return full.ok ? 0 : 1;
}

function shortfalls({ acknowledged, unknown, seconds }: NemesisResult): string[] {
  const perMinute = Math.round((acknowledged / seconds) * 60);
  const share = unknown / (acknowledged + unknown);
  return [
    ...(perMinute < acknowledgedPerMinuteMin
      ? [`only ${perMinute} entries a minute were acknowledged`]
      : []),
    ...(share > unknownShareMax ? [`of ${(share * 100).toFixed(1)} % nobody knows`] : []),
  ];
}

function readable(result: NemesisResult): string {
  const lines = Object.entries(result).map(([name, value]) => `${name}: ${JSON.stringify(value)}`);
  return `${lines.join('\n')}\n`;
}

function tell(line: string): void {
  process.stderr.write(`${line}\n`);
}

function parseFaults(text: string): FaultKind[] {
  return text.split(',').map((name) => {
    const kind = faultKinds.find((known) => known === name);
    if (kind === undefined) throw new InvalidArgumentError(`${name} is no kind of fault.`);
    return kind;
  });
}

try {
  await command.parseAsync();
} catch (error) {
  tell(`nemesis: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  process.exitCode = 1;
}
