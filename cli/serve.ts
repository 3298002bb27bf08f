/** `loglog serve`: one node of a cluster, until a signal or a failure ends it. */
import { Command, Option } from 'commander';
import type { NodeOptions } from '../index.js';
import { Node } from '../index.js';
import type { LogLogError } from '../proto/errors.js';
import { defaults } from '../server/index.js';
import { exitCodes } from './exit.js';
import { createLogger } from './log-lines.js';
import type { LogLevel } from './options.js';
import {
  logLevelOption,
  parseAddress,
  parseBytes,
  parseDuration,
  parsePeers,
  timeoutOption,
} from './options.js';
import { Output } from './output.js';
import { orDeadline } from './session.js';
import { isSupervised, tellSupervisor } from './supervision.js';

/** The clean stop takes less; a disk that hangs must not keep the process. */
const stopTimeoutMs = 5000;

interface ServeCommandOptions {
  readonly id: string;
  readonly data: string;
  readonly listen: string;
  readonly peerListen?: string;
  readonly peers?: Record<string, string>;
  readonly newCluster?: string;
  readonly advertise?: string;
  readonly logLevel: LogLevel;
  readonly timeout?: number;
  readonly segmentBytes?: number;
  readonly electionTimeout?: number;
  readonly stagingBytes?: number;
  readonly stagingClientBytes?: number;
  readonly stagedAge?: number;
  readonly recentBytes?: number;
  readonly peerInflightBytes?: number;
  readonly checkpointBytes?: number;
  readonly scrubRate?: number;
  readonly scrubInterval?: number;
  readonly referenceWait?: number;
}

export function serveCommand(): Command {
  const command = new Command('serve')
    .description('run one node of a cluster')
    .requiredOption('--id <id>', 'the name of this node')
    .requiredOption('--data <directory>', 'its data directory')
    .addOption(address('--listen <host:port>', 'where it serves clients').makeOptionMandatory())
    .addOption(
      address('--peer-listen <host:port>', 'where it listens for the other nodes (as in --peers)'),
    )
    .addOption(
      new Option(
        '--peers <id=host:port,...>',
        'every node of the cluster, this one too, and where it listens for the others',
      ).argParser(parsePeers),
    )
    .option('--new-cluster <name>', 'begin a cluster; only with an empty data directory')
    .addOption(address('--advertise <host:port>', 'where clients reach it (as in --listen)'))
    .addOption(logLevelOption('info'))
    .addOption(timeoutOption('it does not serve after this long'));
  for (const option of tuningOptions()) command.addOption(option);
  return command.action(runServe);
}

function tuningOptions(): Option[] {
  const bytes = (flag: string, what: string, value: number) =>
    new Option(`${flag} <bytes>`, `${what} (default: ${value / 2 ** 20}MiB)`).argParser(parseBytes);
  const duration = (flag: string, what: string, valueMs: number) =>
    new Option(`${flag} <duration>`, `${what} (default: ${valueMs}ms)`).argParser(parseDuration);
  return [
    bytes('--segment-bytes', 'size of a segment, with --new-cluster', defaults.segmentBytesMax),
    duration('--election-timeout', 'silence of the leader', defaults.electionTimeoutMs),
    bytes('--staging-bytes', 'uploads held in memory', defaults.stagingBytesMax),
    bytes('--staging-client-bytes', 'the same, of one client', defaults.stagingClientBytesMax),
    duration('--staged-age', 'how long an upload is held', defaults.stagedAgeMsMax),
    bytes('--recent-bytes', 'newest batches held in memory', defaults.recentBytesMax),
    bytes('--peer-inflight-bytes', 'sent to a peer ahead', defaults.peerInflightBytesMax),
    duration('--reference-wait', 'how long a body may be late', defaults.referenceWaitMs),
    bytes('--checkpoint-bytes', 'log that a restart reads again', defaults.checkpointBytesMax),
    bytes('--scrub-rate', 'of the log read again in a second', defaults.scrubBytesPerSecondMax),
    duration('--scrub-interval', 'from one such reading to the next', defaults.scrubIntervalMs),
  ];
}

async function runServe(options: ServeCommandOptions): Promise<void> {
  const logger = createLogger(options.id, options.logLevel);
  // A signal, or the end of the parent, before the node serves ends the process at once: nothing is
  // acknowledged yet.
  const onOrphaned = () => process.exit(exitCodes.failed);
  process.once('disconnect', onOrphaned);
  const starting = Node.start({ ...nodeOptions(options), logger, ownProcess: true });
  const node = await orDeadline(options.timeout, `the start of ${options.id}`, starting);
  process.removeListener('disconnect', onOrphaned);
  const ending = untilTold(node);
  const output = new Output(process.stdout);
  await output.line(`${node.id} serves clients on ${node.address}`);
  await output.flush();
  tellSupervisor({ type: 'serving', address: node.address });
  const end = await ending;
  if (end.type === 'failed') {
    logger.error({ code: end.error.code, reason: end.error.message }, 'stopped by itself');
    throw end.error;
  }
  logger.info({ reason: end.reason }, 'stopping');
  const timer = setTimeout(() => {
    logger.error({ timeoutMs: stopTimeoutMs }, 'could not stop in time');
    process.exit(exitCodes.failed);
  }, stopTimeoutMs);
  await node.stop();
  clearTimeout(timer);
  logger.info({}, 'stopped');
}

type End =
  | { readonly type: 'told'; readonly reason: string }
  | { readonly type: 'failed'; readonly error: LogLogError };

/** The first signal ends this wait; the second one ends the process at once. */
function untilTold(node: Node): Promise<End> {
  return new Promise((resolve) => {
    const onSignal = (signal: NodeJS.Signals) => {
      resolve({ type: 'told', reason: signal });
      process.removeListener('SIGINT', onSignal);
      process.removeListener('SIGTERM', onSignal);
    };
    process.on('SIGINT', onSignal);
    process.on('SIGTERM', onSignal);
    if (isSupervised()) {
      process.once('disconnect', () => resolve({ type: 'told', reason: 'the parent has gone' }));
    }
    void node.failed.then((error) => resolve({ type: 'failed', error }));
  });
}

function nodeOptions(options: ServeCommandOptions): NodeOptions {
  const given = {
    peerListen: options.peerListen,
    peers: options.peers,
    newCluster: options.newCluster,
    advertise: options.advertise,
    segmentBytesMax: options.segmentBytes,
    electionTimeoutMs: options.electionTimeout,
    stagingBytesMax: options.stagingBytes,
    stagingClientBytesMax: options.stagingClientBytes,
    stagedAgeMsMax: options.stagedAge,
    recentBytesMax: options.recentBytes,
    peerInflightBytesMax: options.peerInflightBytes,
    referenceWaitMs: options.referenceWait,
    checkpointBytesMax: options.checkpointBytes,
    scrubBytesPerSecondMax: options.scrubRate,
    scrubIntervalMs: options.scrubInterval,
  };
  const known = Object.entries(given).filter(([, value]) => value !== undefined);
  return {
    id: options.id,
    directory: options.data,
    listen: options.listen,
    ...Object.fromEntries(known),
  };
}

function address(flags: string, what: string): Option {
  return new Option(flags, what).argParser(parseAddress);
}
