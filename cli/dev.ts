/** `loglog dev`: a cluster on this machine, to try things on, until it is interrupted. */
import { Command, Option } from 'commander';
import { once } from 'node:events';
import type { Client } from '../index.js';
import { connect } from '../index.js';
import { LogLogError } from '../proto/errors.js';
import { exitCodes } from './exit.js';
import { LocalCluster, untilStatus } from './local-cluster.js';
import type { LogLevel } from './options.js';
import { defaultCluster, logLevelOption, parseDuration, parseNodes, parsePort } from './options.js';
import { Output } from './output.js';
import { firstTaken, localHost } from './ports.js';
import type { NodeProcess } from './processes.js';
import { commandLine, serveArguments } from './processes.js';
import { orDeadline } from './session.js';

export const defaultPort = 7600;
export const defaultDirectory = 'loglog-data';
export const startTimeoutMs = 30_000;
const electionTimeoutMs = 10_000;

interface DevCommandOptions {
  readonly nodes: number;
  readonly data: string;
  readonly port: number;
  readonly logLevel: LogLevel;
  readonly timeout: number;
}

export function devCommand(): Command {
  return new Command('dev')
    .description('run a cluster on this machine, each node a process, and continue with its data')
    .addOption(new Option('--nodes <count>', 'how many nodes').argParser(parseNodes).default(3))
    .option('--data <directory>', 'where the nodes keep their data', defaultDirectory)
    .addOption(
      new Option('--port <port>', 'of n1 for clients; n2 has the port 10 above')
        .argParser(parsePort)
        .default(defaultPort),
    )
    .addOption(logLevelOption('error'))
    .addOption(
      new Option('--timeout <duration>', 'give up when no node leads after this long')
        .argParser(parseDuration)
        .default(startTimeoutMs, '30s'),
    )
    .action(async ({ nodes: count, data, port, logLevel, timeout }: DevCommandOptions) => {
      const taken = await firstTaken(port, count);
      if (taken !== undefined) {
        throw new LogLogError('ADDRESS_IN_USE', `${localHost}:${taken} is in use; try --port`);
      }
      const cluster = new LocalCluster({
        directory: data,
        basePort: port,
        count,
        name: 'dev',
        logLevel,
      });
      const output = new Output(process.stdout);
      await runUntilInterrupted(cluster, { output, timeoutMs: timeout });
    });
}

export interface RunOptions {
  readonly output: Output;
  /** Until there is a leader. */
  readonly timeoutMs: number;
  readonly onServing?: (client: Client) => Promise<void>;
}

/** The first signal stops the nodes, the second one kills them. */
export async function runUntilInterrupted(
  cluster: LocalCluster,
  options: RunOptions,
): Promise<void> {
  const interruption = new AbortController();
  const onSignal = () => {
    if (interruption.signal.aborted) {
      cluster.kill();
      process.exit(exitCodes.failed);
    }
    interruption.abort();
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  const interrupted = once(interruption.signal, 'abort');
  try {
    await Promise.race([interrupted, run(cluster, options, interruption.signal)]);
    await options.output.line('stopping');
  } finally {
    interruption.abort();
    await cluster.stop();
    await options.output.flush();
  }
}

/** Ends only by failing. */
async function run(
  cluster: LocalCluster,
  { output, timeoutMs, onServing }: RunOptions,
  signal: AbortSignal,
): Promise<void> {
  await orDeadline(timeoutMs, 'the start of the nodes', cluster.start());
  const client = await connect(cluster.addresses);
  const what = 'the election of a leader';
  const { leader, term } = await untilStatus(client, hasLeader, { timeoutMs, what });
  for (const { plan, processId } of cluster.processes.values()) {
    await output.line(
      `${plan.id} serves clients on ${plan.address}, process ${processId}, data in ${plan.directory}`,
    );
  }
  await output.line(`${leader} leads, term ${term}`);
  await onServing?.(client);
  for (const line of whatToTry(cluster)) await output.line(line);
  const watches = [...cluster.processes.values()].map((node) =>
    watch(cluster, { client, node, output, signal }),
  );
  await Promise.all([...watches, once(signal, 'abort')]);
}

interface Watch {
  readonly client: Client;
  readonly node: NodeProcess;
  readonly output: Output;
  readonly signal: AbortSignal;
}

/** When the node ends: says so, who leads now, how to start it again, and when it is back. */
async function watch(
  cluster: LocalCluster,
  { client, node, output, signal }: Watch,
): Promise<void> {
  const { id } = node.plan;
  const how = await node.ended;
  if (signal.aborted) return;
  await output.line(`${id}, process ${node.processId}, has ended: ${how}`);
  await output.line(await whoLeads(client));
  await output.line('start it again with:');
  await output.line(`  ${commandLine(serveArguments(node.plan, cluster.nodes))}`);
  const status = await untilStatus(
    client,
    ({ nodes }) => nodes.some((one) => one.id === id && one.reachable),
    { timeoutMs: Infinity, what: `the return of ${id}`, signal },
  );
  const back = status.nodes.find((one) => one.id === id && one.reachable);
  if (back?.reachable) await output.line(`${id} is back, process ${back.processId}`);
}

async function whoLeads(client: Client): Promise<string> {
  const what = 'the election of a leader';
  try {
    const { leader, term } = await untilStatus(client, hasLeader, {
      timeoutMs: electionTimeoutMs,
      what,
    });
    return `${leader} leads now, term ${term}`;
  } catch (error) {
    if (error instanceof LogLogError) return 'no node leads now: a majority of them must run';
    throw error;
  }
}

/** A leader that answers: just after one has died the others still name it. */
export function hasLeader({ leader, nodes }: Awaited<ReturnType<Client['status']>>): boolean {
  return nodes.some(({ id, reachable }) => id === leader && reachable);
}

function whatToTry({ nodes, addresses }: LocalCluster): string[] {
  const known = addresses[0] === defaultCluster[0];
  const where = known ? [] : ['--cluster', addresses.join(',')];
  const say = (...args: string[]) => `  ${commandLine([...args, ...where])}`;
  return [
    '',
    'Try in another terminal:',
    say('tail', '--follow'),
    `  echo hello | ${commandLine(['append', ...where])}`,
    say('status'),
    ...(nodes.length > 1 ? ['or kill -9 a process, and go on appending. Ctrl-C stops all.'] : []),
    '',
  ];
}
