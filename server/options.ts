/** What a node is started with: the public options, their defaults and limits, checked once. */
import { LogLogError } from '../proto/errors.js';
import { bodyBytesMax, nodesMax } from '../proto/limits.js';
import type { Logger } from './logger.js';
import { quiet } from './logger.js';
import type { NodeId } from './raft/types.js';
import { stagedOverheadBytes } from './uploads/staged-upload.js';

export interface NodeOptions {
  /** 1 to 32 lower-case letters, digits and dashes. */
  readonly id: NodeId;
  /** The data directory; made if it is missing. */
  readonly directory: string;
  /** `host:port` for clients over gRPC; port 0 takes a free one. Without it: in process only. */
  readonly listen?: string;
  /** `host:port` for the other nodes; by default what `peers` says of this node. */
  readonly peerListen?: string;
  /** Every node of the cluster, this one too, and where it listens for the others. */
  readonly peers?: Readonly<Record<NodeId, string>>;
  /** Begins a cluster of this name; only on an empty directory, and on all nodes alike. */
  readonly newCluster?: string;
  /** For a cluster of one node only: begins a cluster of this name unless there is one already. */
  readonly createIfEmpty?: string;
  /** Where clients reach this node, if that is not where it listens. */
  readonly advertise?: string;
  readonly logger?: Logger;
  /** The process does nothing else, so its main thread may wait for short writes; false by default. */
  readonly ownProcess?: boolean;
  /** Fixed when a cluster begins, and then the same on every node: 64 KiB to 1 GiB. */
  readonly segmentBytesMax?: number;
  readonly electionTimeoutMs?: number;
  /** Bodies held in memory whose references have not come, of all clients. */
  readonly stagingBytesMax?: number;
  /** The same, of one client. */
  readonly stagingClientBytesMax?: number;
  readonly stagedAgeMsMax?: number;
  /** The newest batches, kept in memory for readers and peers. */
  readonly recentBytesMax?: number;
  /** Sent to one peer and not acknowledged: no more is sent until it answers. */
  readonly peerInflightBytesMax?: number;
  /** How long a reference waits for its body before that is fetched. */
  readonly referenceWaitMs?: number;
  /** Log that a restart reads again, at most; a checkpoint is written as often. */
  readonly checkpointBytesMax?: number;
  /** How fast the whole log is read again in search of rot. */
  readonly scrubBytesPerSecondMax?: number;
  /** From the end of one such search to the next. */
  readonly scrubIntervalMs?: number;
}

/** Options with every default filled in. */
export interface NodeSettings {
  readonly id: NodeId;
  readonly directory: string;
  readonly listen: HostPort | undefined;
  readonly peerListen: HostPort | undefined;
  readonly peers: ReadonlyMap<NodeId, string>;
  /** Sorted: bit i of an append's `uploadedTo` is members[i]. */
  readonly members: readonly NodeId[];
  readonly creation: Creation;
  readonly advertise: string | undefined;
  readonly logger: Logger;
  readonly ownProcess: boolean;
  /** What was asked for; a directory that exists already knows its own. */
  readonly segmentBytesMax: number | undefined;
  readonly electionTimeoutMs: number;
  readonly stagingBytesMax: number;
  readonly stagingClientBytesMax: number;
  readonly stagedAgeMsMax: number;
  readonly recentBytesMax: number;
  readonly peerInflightBytesMax: number;
  readonly referenceWaitMs: number;
  readonly checkpointBytesMax: number;
  readonly scrubBytesPerSecondMax: number;
  readonly scrubIntervalMs: number;
}

/** What an empty directory may become, and whether it must be empty. */
export type Creation =
  | { readonly type: 'never' }
  | { readonly type: 'must'; readonly name: string }
  | { readonly type: 'ifEmpty'; readonly name: string };

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

const mebibyte = 2 ** 20;

export const defaults = {
  segmentBytesMax: 64 * mebibyte,
  electionTimeoutMs: 1000,
  stagingBytesMax: 64 * mebibyte,
  stagingClientBytesMax: 32 * mebibyte,
  stagedAgeMsMax: 30_000,
  recentBytesMax: 32 * mebibyte,
  peerInflightBytesMax: 16 * mebibyte,
  referenceWaitMs: 20,
  checkpointBytesMax: 64 * mebibyte,
  scrubBytesPerSecondMax: 8 * mebibyte,
  scrubIntervalMs: 3_600_000,
} as const;

export const segmentBytesMin = 64 * 1024;
export const segmentBytesLimit = 1024 * mebibyte;

/** Checks and completes options. Throws CONFIG_INVALID. */
export function resolveOptions(options: NodeOptions): NodeSettings {
  checkName('a node id', options.id);
  if (typeof options.directory !== 'string' || options.directory === '') {
    throw invalid('a node needs a data directory');
  }
  const peers = new Map(Object.entries(options.peers ?? {}));
  for (const [id, address] of peers) {
    checkName('a node id', id);
    parseHostPort(`the address of ${id}`, address);
  }
  if (peers.size > 0 && !peers.has(options.id)) {
    throw invalid(`the node list (${[...peers.keys()].join(', ')}) does not name ${options.id}`);
  }
  if (peers.size > nodesMax) throw invalid(`a cluster has at most ${nodesMax} nodes`);
  if (peers.size > 0 && peers.size % 2 === 0) {
    throw invalid(`a cluster of ${peers.size} nodes survives no more losses than one of one less`);
  }
  const members = peers.size === 0 ? [options.id] : [...peers.keys()].toSorted();
  const peerListen = options.peerListen ?? peers.get(options.id);
  const listen = optionalHostPort('listen', options.listen);
  if (options.advertise !== undefined) parseHostPort('advertise', options.advertise);
  return {
    id: options.id,
    directory: options.directory,
    listen,
    peerListen: members.length === 1 ? undefined : optionalHostPort('peerListen', peerListen),
    peers,
    members,
    creation: creationOf(options, members),
    advertise: options.advertise,
    logger: options.logger ?? quiet,
    ownProcess: options.ownProcess ?? false,
    ...sizes(options),
  };
}

function sizes(options: NodeOptions) {
  const integer = (name: keyof typeof defaults, min: number, max = Number.MAX_SAFE_INTEGER) => {
    const value = options[name] ?? defaults[name];
    if (!Number.isSafeInteger(value) || value < min || value > max) {
      throw invalid(`${name} must be an integer from ${min} to ${max}, not ${value}`);
    }
    return value;
  };
  // The largest body must fit, or its producer would wait for ever.
  const stagingMin = bodyBytesMax + stagedOverheadBytes;
  const segmentBytesMax = integer('segmentBytesMax', segmentBytesMin, segmentBytesLimit);
  return {
    segmentBytesMax: options.segmentBytesMax === undefined ? undefined : segmentBytesMax,
    electionTimeoutMs: integer('electionTimeoutMs', 20, 600_000),
    stagingBytesMax: integer('stagingBytesMax', stagingMin),
    stagingClientBytesMax: integer('stagingClientBytesMax', stagingMin),
    stagedAgeMsMax: integer('stagedAgeMsMax', 100),
    recentBytesMax: integer('recentBytesMax', mebibyte),
    peerInflightBytesMax: integer('peerInflightBytesMax', mebibyte),
    referenceWaitMs: integer('referenceWaitMs', 0, 60_000),
    checkpointBytesMax: integer('checkpointBytesMax', 4096),
    scrubBytesPerSecondMax: integer('scrubBytesPerSecondMax', 64 * 1024),
    scrubIntervalMs: integer('scrubIntervalMs', 100, 2 ** 31 - 1),
  };
}

function creationOf(options: NodeOptions, members: readonly NodeId[]): Creation {
  const { newCluster, createIfEmpty } = options;
  if (newCluster !== undefined && createIfEmpty !== undefined) {
    throw invalid('newCluster and createIfEmpty exclude each other');
  }
  if (newCluster !== undefined) {
    checkName('a cluster name', newCluster);
    return { type: 'must', name: newCluster };
  }
  if (createIfEmpty === undefined) return { type: 'never' };
  checkName('a cluster name', createIfEmpty);
  if (members.length > 1) {
    throw invalid(
      'createIfEmpty is for a cluster of one node: elsewhere it would hide a lost disk',
    );
  }
  return { type: 'ifEmpty', name: createIfEmpty };
}

function checkName(what: string, name: string): void {
  if (!/^[a-z0-9-]{1,32}$/.test(name)) {
    throw invalid(`${what} is 1 to 32 lower-case letters, digits and dashes, not '${name}'`);
  }
}

function optionalHostPort(what: string, text: string | undefined): HostPort | undefined {
  return text === undefined ? undefined : parseHostPort(what, text);
}

/** Reads `host:port` or `[host]:port`. Throws CONFIG_INVALID. */
export function parseHostPort(what: string, text: string): HostPort {
  const parts = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text);
  const host = parts?.[1] ?? parts?.[2];
  const port = Number(parts?.[3]);
  if (host === undefined || port > 65_535)
    throw invalid(`${what} must be host:port, not '${text}'`);
  return { host, port };
}

export function invalid(message: string): LogLogError {
  return new LogLogError('CONFIG_INVALID', message);
}
