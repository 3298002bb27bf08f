/** A node with its real disk, clock and sockets: one process of a cluster, or embedded in one. */
import { readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { LogLogError } from '../proto/errors.js';
import { batchBytesMax } from '../proto/limits.js';
import { checksumLibrary } from '../proto/checksum.js';
import type { LogLogService, NodeStatus } from '../proto/service.js';
import { systemClock, systemRandom } from '../proto/system.js';
import { asLogLogError } from './as-loglog-error.js';
import type { Directory } from './directory.js';
import { openDirectory } from './directory.js';
import { Engine } from './engine.js';
import type { Identity } from './log/identity.js';
import type { Disk } from './log/disk.js';
import { systemDisk, systemDiskWith } from './log/system-disk.js';
import { WritePace } from './log/write-pace.js';
import type { NodeOptions, NodeSettings } from './options.js';
import { resolveOptions } from './options.js';
import type { PeerTransport } from './peers.js';
import type { NodeId } from './raft/types.js';
import { GrpcServer } from './rpc/grpc-server.js';
import type { ClusterIntroduction } from './rpc/introduction.js';
import { requestIntroduction } from './rpc/introduction.js';
import type { WebSocketPeersOptions } from './rpc/peer-options.js';
import { WebSocketPeers } from './rpc/peer-transport.js';

/** How long calls that run are given when a node stops. */
const closeGraceMs = 500;

/** Bodies of 1 MiB in all and one of the largest behind them, with what the message adds. */
const peerMessageBytesMax = batchBytesMax + 2 * 2 ** 20;

/** A cluster of one has nobody to talk to. */
const alone: PeerTransport = {
  start: () => undefined,
  restart: () => undefined,
  send: () => undefined,
  close: async () => undefined,
};

/** What is open, to be closed in the opposite order. */
interface Closable {
  close(): Promise<void>;
}

export class ServerNode {
  readonly id: string;
  readonly clusterId: string;
  /** Where clients reach this node; `local:ID` if only those in this process do. */
  readonly address: string;
  /** Where the other nodes reach it; undefined in a cluster of one. */
  readonly peerAddress: string | undefined;
  readonly service: LogLogService;
  /** Resolves if the node has to stop by itself (a failing disk, rot), with the reason. */
  readonly failed: Promise<LogLogError>;
  readonly #open: readonly Closable[];
  #stopping: Promise<void> | null = null;

  /** Starts a node. Throws a LogLogError that says what is wrong, and then leaves nothing open. */
  static async start(options: NodeOptions): Promise<ServerNode> {
    const settings = resolveOptions(options);
    const open: Closable[] = [];
    try {
      return await startNode(settings, open);
    } catch (error) {
      await closeAll(open);
      throw error;
    }
  }

  constructor(parts: {
    settings: NodeSettings;
    directory: Directory;
    engine: Engine;
    address: string;
    peerAddress: string | undefined;
    open: readonly Closable[];
  }) {
    this.id = parts.settings.id;
    this.clusterId = parts.directory.identity.clusterId;
    this.address = parts.address;
    this.peerAddress = parts.peerAddress;
    this.service = parts.engine.service;
    this.failed = parts.engine.failed;
    this.#open = parts.open;
    const { logger } = parts.settings;
    this.failed
      .then(() => this.stop())
      .catch((error: unknown) => logger.error({ err: error }, 'not everything could be closed'));
  }

  status(): Promise<NodeStatus> {
    return this.service.status({}, new AbortController().signal);
  }

  /** Hands leadership over, syncs and closes. Safe to call again. */
  stop(): Promise<void> {
    this.#stopping ??= closeAll(this.#open);
    return this.#stopping;
  }
}

async function startNode(settings: NodeSettings, open: Closable[]): Promise<ServerNode> {
  await makeDirectory(settings.directory);
  const lock = await systemDisk.lock(settings.directory).catch((error: unknown) => {
    throw asLogLogError(error);
  });
  open.push({ close: () => lock.release() });
  // Peers pass it on to clients; it is known for sure once the node listens to these.
  let address = settings.advertise ?? '';
  let identity: Identity | null = null;
  const peers = await listenToPeers(settings, {
    clientAddress: () => address,
    cluster: () => identity ?? undefined,
  });
  open.push(peers ?? alone);
  const directory = await openDirectory(systemDisk, settings, {
    random: systemRandom,
    introduce: () => introduction(settings),
  });
  open.push(directory.hardState);
  ({ identity } = directory);
  const engine = await Engine.open(settings, directory, {
    disk: segmentsDisk(settings),
    clock: systemClock,
    random: systemRandom,
    transport: peers ?? alone,
    version: packageVersion(),
    processId: process.pid,
    residentBytes: () => process.memoryUsage.rss(),
    cpuMicros,
    peerBytesSent: () => peers?.bytesSent ?? 0,
  });
  open.push({ close: () => engine.stop() });
  if (settings.listen !== undefined) {
    const server = await GrpcServer.start(engine.service, {
      ...settings.listen,
      logger: settings.logger,
    });
    // The engine ends its streams first, with a reason.
    open.splice(-1, 0, { close: () => server.close(closeGraceMs) });
    address = settings.advertise ?? server.address;
  }
  const clientAddress = address === '' ? `local:${settings.id}` : address;
  engine.start(clientAddress);
  const peerAddress = peers?.address;
  settings.logger.info(
    {
      id: settings.id,
      clusterId: directory.identity.clusterId,
      address: clientAddress,
      peerAddress,
      checksums: checksumLibrary.name,
    },
    'serving',
  );
  return new ServerNode({ settings, directory, engine, address: clientAddress, peerAddress, open });
}

function segmentsDisk({ ownProcess, logger }: NodeSettings): Disk {
  let isTold = false;
  return systemDiskWith({
    ...(ownProcess && { pace: new WritePace() }),
    onCached: (path) => {
      if (!isTold) logger.info({ path }, "segments are written through the system's cache");
      isTold = true;
    },
  });
}

function cpuMicros(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

async function makeDirectory(directory: string): Promise<void> {
  try {
    await mkdir(directory, { recursive: true });
  } catch (error) {
    throw new LogLogError('DISK_FAILED', `${directory} cannot be made: ${String(error)}`, {
      cause: error,
    });
  }
}

async function listenToPeers(
  settings: NodeSettings,
  own: Pick<WebSocketPeersOptions, 'clientAddress' | 'cluster'>,
): Promise<WebSocketPeers | undefined> {
  if (settings.peerListen === undefined) return undefined;
  return WebSocketPeers.listen({
    ...own,
    nodeId: settings.id,
    listen: settings.peerListen,
    peers: othersOf(settings),
    clock: systemClock,
    random: systemRandom,
    logger: settings.logger,
    inflightBytesMax: settings.peerInflightBytesMax,
    messageBytesMax: peerMessageBytesMax,
  });
}

/** Waits for another node; a process that is told to stop before it serves just ends. */
async function introduction(settings: NodeSettings): Promise<ClusterIntroduction> {
  const { directory, logger } = settings;
  logger.warn(
    { directory },
    'no node is here yet: asks the other nodes which cluster this is, until one answers; ' +
      'a new cluster begins only with --new-cluster (newCluster) on every node',
  );
  return requestIntroduction({
    peers: othersOf(settings),
    clock: systemClock,
    logger,
    signal: new AbortController().signal,
  });
}

function othersOf({ peers, id }: NodeSettings): ReadonlyMap<NodeId, string> {
  return new Map([...peers].filter(([other]) => other !== id));
}

/** The last first; all of them, whatever fails. */
async function closeAll(open: readonly Closable[]): Promise<void> {
  const last = open.at(-1);
  if (last === undefined) return;
  try {
    await last.close();
  } finally {
    await closeAll(open.slice(0, -1));
  }
}

function packageVersion(): string {
  // Beside dist/, where this file is dist/server/node.js.
  const file = new URL('../../package.json', import.meta.url);
  const { version } = JSON.parse(readFileSync(file, 'utf8')) as { version: unknown };
  if (typeof version !== 'string') {
    throw new LogLogError('INTERNAL', 'package.json names no version');
  }
  return version;
}
