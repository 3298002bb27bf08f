/** What `npm start` runs: a development cluster that shows what it does, or the demonstration. */
import { Command } from 'commander';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Client } from '../index.js';
import { runDemo } from './demo.js';
import { defaultDirectory, defaultPort, runUntilInterrupted, startTimeoutMs } from './dev.js';
import { exitCodeOf, exitCodes } from './exit.js';
import { LocalCluster } from './local-cluster.js';
import { Output, reportError } from './output.js';
import { firstTaken, freeBasePort } from './ports.js';

const nodeCount = 3;
const greetings = ['one log', 'three nodes', 'the same bytes on each'];

async function runStart(output: Output): Promise<void> {
  const taken = await firstTaken(defaultPort, nodeCount);
  if (taken === undefined) return runShow(output, defaultPort, defaultDirectory);
  // Who has the ports may well have the directory too.
  const basePort = await freeBasePort(nodeCount);
  const directory = await mkdtemp(join(tmpdir(), 'loglog-'));
  await output.line(
    `port ${taken} is taken: using ports from ${basePort} on, and ${directory} until the end`,
  );
  try {
    await runShow(output, basePort, directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function runShow(output: Output, basePort: number, directory: string): Promise<void> {
  const cluster = new LocalCluster({
    directory,
    basePort,
    count: nodeCount,
    name: 'dev',
    logLevel: 'error',
  });
  await output.line(`starting a cluster of ${nodeCount} processes, data in ${directory}`);
  await runUntilInterrupted(cluster, {
    output,
    timeoutMs: startTimeoutMs,
    onServing: (client) => show(client, output),
  });
}

/** Appends, and reads back from where that began. */
async function show(client: Client, output: Output): Promise<void> {
  let from: number | undefined;
  for (const text of greetings) {
    const { offset } = await client.append(text);
    await output.line(`appended '${text}' at offset ${offset}`);
    from ??= offset;
  }
  for await (const { offset, time, data } of client.read({ from: from ?? 0 })) {
    const text = data.toString();
    await output.line(`read at offset ${offset}, appended ${time.toISOString()}: '${text}'`);
  }
}

async function main(args: readonly string[]): Promise<number> {
  const program = new Command('npm start --')
    .description('start a development cluster')
    .option('--demo', 'show a file surviving the death of the leader, and end')
    .parse(args, { from: 'user' });
  const output = new Output(process.stdout);
  try {
    await (program.opts<{ demo?: true }>().demo ? runDemo(output) : runStart(output));
    await output.flush();
    return exitCodes.done;
  } catch (error) {
    await output.flush();
    reportError(error, false);
    return exitCodeOf(error);
  }
}

process.exit(await main(process.argv.slice(2)));
