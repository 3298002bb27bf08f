/** `loglog bench`: how fast a cluster is, and whether the log then holds what was appended. */
import { Command, Option } from 'commander';
import type { Client } from '../index.js';
import { LogLogError } from '../proto/errors.js';
import { entryBytesMax } from '../proto/limits.js';
import { appendFor } from './bench/append.js';
import { bulkFor, fill } from './bench/bulk.js';
import type { Comparison, Ledger } from './bench/ledger.js';
import { readAllOf } from './bench/read.js';
import type { Report } from './bench/report.js';
import { checkLine, reportJson, reportLines } from './bench/report.js';
import { tailFor } from './bench/tail.js';
import type { Target, TargetOptions } from './bench/target.js';
import { targetOf, withTarget } from './bench/target.js';
import { watched } from './bench/watch.js';
import type { JsonOption } from './options.js';
import {
  clusterOption,
  jsonOption,
  parseBytes,
  parseCount,
  parseNodes,
  parseSeconds,
  timeoutOption,
} from './options.js';
import { Output } from './output.js';
import type { Display } from './progress.js';
import { nowhere, terminal } from './progress.js';

const warmUpSeconds = 1;
const secondsDefault = 10;
const entryBytesDefault = 1024;
const inFlightDefault = 256;
const inFlightMax = 65_536;
const totalBytesDefault = 256 * 2 ** 20;
const rateMax = 1_000_000;

/** Each entry in flight has a buffer of its own. */
const buffersBytesMax = 2 ** 30;

interface BenchOptions extends TargetOptions, JsonOption {
  readonly size?: number;
  readonly seconds?: number;
}

interface Bench {
  readonly client: Client;
  readonly target: Target;
  readonly display: Display;
}

export function benchCommand(): Command {
  return new Command('bench')
    .description('measure a cluster, by default one of its own, and check what it holds then')
    .addCommand(appendBenchCommand())
    .addCommand(readBenchCommand())
    .addCommand(tailBenchCommand());
}

interface AppendOptions extends BenchOptions {
  readonly concurrency: number | 'max';
}

function appendBenchCommand(): Command {
  return withCommonOptions(new Command('append'))
    .description('append for some time, so many entries in flight at a time')
    .addOption(
      new Option(
        '--concurrency <count>',
        'entries in flight; max: as many as go through a writer with back-pressure',
      )
        .argParser(parseConcurrency)
        .default(inFlightDefault),
    )
    .addOption(secondsOption('10'))
    .action((options: AppendOptions, command: Command) => {
      const { concurrency, size = entryBytesDefault } = options;
      if (concurrency !== 'max' && concurrency * size > buffersBytesMax) {
        throw invalid('--concurrency times --size is at most 1 GiB');
      }
      return run(options, command, (bench) => benchAppend(bench, options));
    });
}

async function benchAppend(
  bench: Bench,
  { concurrency, size = entryBytesDefault, seconds = secondsDefault }: AppendOptions,
): Promise<Report> {
  const { result, nodes } = await watched(bench, 'appending', (onStart) => {
    const common = { entryBytes: size, seconds, warmUpSeconds, onStart };
    return concurrency === 'max'
      ? bulkFor(bench.client, common)
      : appendFor(bench.client, { ...common, inFlight: concurrency });
  });
  return {
    settings: { bench: 'append', entryBytes: size, concurrency },
    measured: result,
    timed: [{ name: 'latencyMs', what: 'append to acknowledgement', latency: result.latencyMs }],
    nodes,
    check: await readBack(bench, result.ledger),
  };
}

interface ReadOptions extends BenchOptions {
  readonly total?: number;
}

function readBenchCommand(): Command {
  return withCommonOptions(new Command('read'))
    .description('read the log from its start, once, or again and again for --seconds')
    .addOption(
      new Option(
        '--total <bytes>',
        'of entries that a cluster started here is filled with (default: 256MiB)',
      ).argParser(parseBytes),
    )
    .addOption(secondsOption('until all is read once'))
    .action((options: ReadOptions, command: Command) =>
      run(options, command, (bench) => benchRead(bench, options)),
    );
}

async function benchRead(bench: Bench, options: ReadOptions): Promise<Report> {
  const { client, target } = bench;
  const { size, total, seconds } = options;
  if (target.type === 'running' && (size ?? total) !== undefined) {
    throw invalid(
      'a cluster that runs is read as it is: --size and --total are for one of its own',
    );
  }
  const entryBytes = target.type === 'running' ? null : (size ?? entryBytesDefault);
  const check = entryBytes === null ? null : await fillAndCheck(bench, entryBytes, total);
  const { result, nodes } = await watched(bench, 'reading', (onStart) =>
    readAllOf(client, { ...(seconds !== undefined && { seconds }), warmUpSeconds, onStart }),
  );
  const { passes, entriesInLog } = result;
  if (check !== null && entriesInLog !== null && entriesInLog !== check.appended) {
    const message = `${check.appended} entries were appended, and ${entriesInLog} read`;
    throw new LogLogError('DATA_CORRUPT', message);
  }
  const settings = { bench: 'read', entryBytes, passes };
  return { settings, measured: result, timed: [], nodes, check };
}

async function fillAndCheck(
  bench: Bench,
  entryBytes: number,
  totalBytes = totalBytesDefault,
): Promise<Comparison> {
  const progress = bench.display.bytes('filling', totalBytes);
  const onProgress = (bytes: number) => progress.update(bytes);
  const filling = fill(bench.client, { entryBytes, totalBytes, onProgress });
  const ledger = await filling.finally(() => progress.stop());
  return readBack(bench, ledger);
}

interface TailOptions extends BenchOptions {
  readonly rate?: number;
}

function tailBenchCommand(): Command {
  return withCommonOptions(new Command('tail'))
    .description('append one entry at a time; how soon is it seen on a node that does not lead?')
    .addOption(
      new Option(
        '--rate <count>',
        'appends a second, at most; by default as soon as one is seen',
      ).argParser((text) => parseCount('a rate', text, rateMax)),
    )
    .addOption(secondsOption('10'))
    .action((options: TailOptions, command: Command) =>
      run(options, command, (bench) => benchTail(bench, options)),
    );
}

async function benchTail(
  bench: Bench,
  { rate, size = entryBytesDefault, seconds = secondsDefault }: TailOptions,
): Promise<Report> {
  const { result, nodes } = await watched(bench, 'tailing', (onStart) => {
    const common = { entryBytes: size, seconds, warmUpSeconds, onStart };
    return tailFor(bench.client, rate === undefined ? common : { ...common, rate });
  });
  const { fromCallMs, fromAcknowledgementMs, node } = result;
  return {
    settings: { bench: 'tail', entryBytes: size, rate: rate ?? null, node },
    measured: result,
    timed: [
      { name: 'fromCallMs', what: 'append to arrival', latency: fromCallMs },
      {
        name: 'fromAcknowledgementMs',
        what: 'acknowledgement to arrival',
        latency: fromAcknowledgementMs,
      },
    ],
    nodes,
    check: await readBack(bench, result.ledger),
  };
}

function secondsOption(byDefault: string): Option {
  const what = `that are measured, after one that is not (default: ${byDefault})`;
  return new Option('--seconds <count>', what).argParser(parseSeconds);
}

function withCommonOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--size <bytes>', 'of an entry (default: 1KiB)').argParser(parseEntryBytes),
    )
    .addOption(
      new Option(
        '--nodes <count>',
        'of a cluster for this time, on this machine (default: 3)',
      ).argParser(parseNodes),
    )
    .addOption(clusterOption().default(undefined))
    .addOption(jsonOption())
    .addOption(timeoutOption('no node answers or leads after this long (default: 10s)'));
}

/** Prints the report. Throws DATA_CORRUPT if the log does not hold what was appended. */
async function run(
  options: BenchOptions,
  command: Command,
  work: (bench: Bench) => Promise<Report>,
): Promise<void> {
  const target = targetOf(options, command.getOptionValueSource('cluster') === 'cli');
  const display = options.json ? nowhere : terminal;
  const report = await withTarget(target, options.timeout, (client) =>
    work({ client, target, display }),
  );
  const output = new Output(process.stdout);
  if (options.json) await output.line(JSON.stringify(reportJson(report)));
  else for (const line of reportLines(report)) await output.line(line);
  await output.flush();
  const { check } = report;
  if (check !== null && !check.ok) throw new LogLogError('DATA_CORRUPT', checkLine(check));
}

async function readBack({ client, display }: Bench, ledger: Ledger): Promise<Comparison> {
  const { from, to } = ledger.range;
  const progress = display.bytes('checking', to - from);
  const onRead = (offset: number) => progress.update(offset - from);
  return ledger.compare(client.read({ from, to }), onRead).finally(() => progress.stop());
}

function parseEntryBytes(text: string): number {
  const bytes = parseBytes(text);
  if (bytes <= entryBytesMax) return bytes;
  throw invalid(`an entry has at most ${entryBytesMax} bytes, not ${text}`);
}

function parseConcurrency(text: string): number | 'max' {
  return text === 'max' ? text : parseCount('a concurrency is max, or', text, inFlightMax);
}

function invalid(message: string): LogLogError {
  return new LogLogError('CONFIG_INVALID', message);
}
