/** `npm run bench:scale`: what grows with the log, with the cluster and with its readers. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { tuneV8 } from '../../../cli/v8.js';
import { checkDisk, describeMachine } from '../machine.js';
import { table, writeReport } from '../report.js';
import { measureReaders } from './readers.js';
import type { Row, ScaleOptions } from './row.js';
import { measureSegments } from './segments.js';
import { measureSizes } from './sizes.js';

const parts = { segments: measureSegments, sizes: measureSizes, readers: measureReaders } as const;
type Part = keyof typeof parts;
const partNames = Object.keys(parts) as Part[];

const whole = { seconds: 10, segments: 10_000, counts: [3, 5, 7], waiters: 10_000 };
const quick = { ...whole, seconds: 2, segments: 500 };

interface Flags {
  readonly only?: readonly Part[];
  readonly quick?: true;
  readonly report: boolean;
  readonly directory: string;
}

const command = new Command('bench:scale')
  .description('measures LogLog with a long log, with more nodes and with many readers')
  .addOption(
    new Option('--only <part,...>', `some of ${partNames.join(', ')}`).argParser(parseParts),
  )
  .option('--quick', `${quick.seconds} s each, and ${quick.segments} segments`)
  .option('--no-report', 'leave docs/BENCHMARKS.md alone, as all but whole runs do')
  .option('--directory <directory>', 'on the disk to be measured', tmpdir())
  .action(main);

async function main(flags: Flags): Promise<void> {
  const directory = resolve(flags.directory);
  await checkDisk(directory);
  const machine = await describeMachine(directory);
  const rows: Row[] = [];
  for (const part of flags.only ?? partNames) {
    const own = await mkdtemp(join(directory, `bench-scale-${part}-`));
    const options: ScaleOptions = { ...(flags.quick ? quick : whole), directory: own };
    try {
      for (const row of await parts[part](options)) {
        rows.push(row);
        process.stderr.write(`${row.join(': ')}\n`);
      }
    } finally {
      await rm(own, { recursive: true, force: true });
    }
  }
  const day = new Date().toISOString().slice(0, 10);
  const report = [`${day}; ${machine}.`, '', ...table([['what', 'measured'], ...rows]), ''];
  process.stdout.write(report.join('\n'));
  const isWhole = flags.only === undefined && flags.quick === undefined;
  if (flags.report && isWhole) await writeReport('bench:scale', report.join('\n'));
}

function parseParts(text: string): Part[] {
  return text.split(',').map((name) => {
    const part = partNames.find((one) => one === name);
    if (part === undefined) throw new InvalidArgumentError(`${name} is none of them.`);
    return part;
  });
}

tuneV8();
try {
  await command.parseAsync();
} catch (error) {
  process.stderr.write(`error: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
