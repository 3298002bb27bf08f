/**
 * Whose data directory it is: opens one that exists, or begins one where that was asked for. An
 * empty directory is never taken for a node that has lost nothing: in a cluster of several nodes,
 * a node that has lost its identity or its promises comes back as another incarnation of itself,
 * and in a cluster of one it does not start.
 *
 * A new incarnation is written into the identity before anything else changes. So a crash leaves
 * the old incarnation with all of its promises, or a new one that the hard state does not admit.
 */
import type { RandomSource } from '../proto/clock.js';
import { LogLogError } from '../proto/errors.js';
import { asLogLogError } from './as-loglog-error.js';
import type { Disk } from './log/disk.js';
import { HardState } from './log/hard-state.js';
import type { ClusterPlan, Identity } from './log/identity.js';
import {
  createIdentity,
  loadIdentity,
  mendIdentity,
  replaceIdentity,
  replaceIncarnation,
} from './log/identity.js';
import { segmentsIn } from './log/segment.js';
import type { NodeSettings } from './options.js';
import { defaults, invalid } from './options.js';
import { firstIncarnation } from './raft/types.js';
import type { PeerState } from './raft/types.js';
import type { ClusterIntroduction } from './rpc/introduction.js';

/** What a node comes back with when it has lost something. */
export interface DirectoryMeans {
  readonly random: RandomSource;
  /** Asks the other nodes which cluster this is, and waits until one answers. */
  readonly introduce: () => Promise<ClusterIntroduction>;
}

interface Parts {
  readonly identity: Identity;
  readonly hardState: HardState;
}

/** What an interrupted beginning may have left behind. */
const beginnings = new Set(['hard-state', 'truncation', 'log', 'lock']);

/** Of a node that remembers no promise, and may not make one. */
const forgetful = { term: 0, vote: null, admitted: null } as const;

export class Directory {
  readonly hardState: HardState;
  /** A number of this process, and the term that the disk had when it started. */
  readonly #process: Pick<PeerState, 'process' | 'startTerm'>;
  readonly #disk: Disk;
  readonly #path: string;
  readonly #random: RandomSource;
  #identity: Identity;

  constructor(disk: Disk, path: string, { identity, hardState }: Parts, random: RandomSource) {
    this.hardState = hardState;
    this.#disk = disk;
    this.#path = path;
    this.#random = random;
    this.#identity = identity;
    this.#process = { process: drawNumber(random), startTerm: hardState.term };
  }

  /** What this node greets others with; null while it does not know how far its log is durable. */
  greeting(durableOffset: number | null): PeerState {
    const { incarnation } = this.#identity;
    return { incarnation, ...this.#process, term: this.hardState.term, durableOffset };
  }

  /** As it is on the disk: `renew` changes its incarnation. */
  get identity(): Identity {
    return this.#identity;
  }

  /** Whether this incarnation may vote and acknowledge. */
  get admitted(): boolean {
    return this.hardState.admitted === this.#identity.incarnation;
  }

  /**
   * Becomes another incarnation, which is durable and not admitted when this resolves: the term
   * stays, the vote goes. Nothing may be saved to the hard state meanwhile. Throws DiskError.
   */
  async renew(): Promise<number> {
    const incarnation = drawIncarnation(this.#random);
    this.#identity = await replaceIncarnation(this.#disk, this.#path, this.#identity, incarnation);
    await this.hardState.save(this.hardState.term, null, null);
    return incarnation;
  }
}

/**
 * The directory must be locked. Throws DIRECTORY_*, CONFIG_INVALID, WRONG_*, DATA_CORRUPT,
 * FORMAT_UNKNOWN, DISK_FAILED, and what `introduce` throws.
 */
export async function openDirectory(
  disk: Disk,
  settings: NodeSettings,
  means: DirectoryMeans,
): Promise<Directory> {
  const { directory, creation, members } = settings;
  try {
    const parts =
      creation.type === 'never' && members.length > 1
        ? await findOrJoin(disk, settings, means)
        : await findOrBegin(disk, settings);
    return new Directory(disk, directory, parts, means.random);
  } catch (error) {
    throw asLogLogError(error);
  }
}

/** Where nobody else could make good for what is lost: all of it is there, or nothing was. */
async function findOrBegin(disk: Disk, settings: NodeSettings): Promise<Parts> {
  const { directory, creation } = settings;
  const found = await loadIdentity(disk, directory);
  if (found === undefined) return begin(disk, settings);
  if (creation.type === 'must') {
    throw new LogLogError(
      'DIRECTORY_NOT_EMPTY',
      `${directory} belongs to ${found.nodeId} of cluster ${found.clusterName} already; ` +
        'start it without the new-cluster option',
    );
  }
  checkIdentity(found, settings);
  await mendIdentity(disk, directory);
  return { identity: found, hardState: await HardState.open(disk, directory) };
}

async function begin(disk: Disk, settings: NodeSettings): Promise<Parts> {
  const { directory, creation, members, id } = settings;
  if (await hasLog(disk, directory)) {
    throw new LogLogError('DATA_CORRUPT', `${directory} holds a log, but its identity is missing`);
  }
  if (creation.type === 'never') {
    throw new LogLogError(
      'DIRECTORY_EMPTY',
      `${directory} holds no node's data. A new cluster begins with --new-cluster (newCluster); ` +
        'a node that has lost its disk must not go on as if it had lost nothing',
    );
  }
  await checkEmpty(disk, directory);
  const first = { term: 0, vote: null, admitted: firstIncarnation };
  const hardState = await HardState.create(disk, directory, first);
  // Last, because a directory with an identity counts as complete.
  const identity = await createIdentity(disk, directory, {
    name: creation.name,
    members,
    nodeId: id,
    segmentBytesMax: settings.segmentBytesMax ?? defaults.segmentBytesMax,
    incarnation: firstIncarnation,
  });
  return { identity, hardState };
}

/** One node of several: what it has lost, the others have. */
async function findOrJoin(
  disk: Disk,
  settings: NodeSettings,
  means: DirectoryMeans,
): Promise<Parts> {
  const { directory } = settings;
  const found = await wholeOf(loadIdentity(disk, directory));
  if (found instanceof LogLogError) return rejoin(disk, settings, means, found.message);
  if (found === undefined) {
    return (await hasLog(disk, directory))
      ? rejoin(disk, settings, means, 'its identity is missing')
      : join(disk, settings, means);
  }
  checkIdentity(found, settings);
  await mendIdentity(disk, directory);
  const hardState = await wholeOf(HardState.open(disk, directory));
  if (!(hardState instanceof LogLogError)) return { identity: found, hardState };
  const incarnation = drawIncarnation(means.random);
  warn(settings, incarnation, hardState.message);
  // First: whoever forgets the votes of an incarnation is another one by then.
  const identity = await replaceIncarnation(disk, directory, found, incarnation);
  return { identity, hardState: await HardState.replace(disk, directory, forgetful) };
}

/** Begins an empty directory as a new incarnation of this node. */
async function join(disk: Disk, settings: NodeSettings, means: DirectoryMeans): Promise<Parts> {
  const { directory } = settings;
  await checkEmpty(disk, directory);
  const plan = await introducedPlan(settings, means);
  warn(settings, plan.incarnation, 'its directory is empty');
  const hardState = await HardState.create(disk, directory, forgetful);
  return { identity: await createIdentity(disk, directory, plan), hardState };
}

/**
 * The identity is lost. The log stays, whose chain proves that it is this cluster's; term and vote
 * stay where they are whole, and bind nobody.
 */
async function rejoin(
  disk: Disk,
  settings: NodeSettings,
  means: DirectoryMeans,
  reason: string,
): Promise<Parts> {
  const { directory } = settings;
  const plan = await introducedPlan(settings, means);
  warn(settings, plan.incarnation, reason);
  const left = await wholeOf(HardState.open(disk, directory));
  const identity = await replaceIdentity(disk, directory, plan);
  if (!(left instanceof LogLogError)) return { identity, hardState: left };
  return { identity, hardState: await HardState.replace(disk, directory, forgetful) };
}

/** The cluster as another node knows it, if that is the one in the settings. */
async function introducedPlan(settings: NodeSettings, means: DirectoryMeans): Promise<ClusterPlan> {
  const introduced = await means.introduce();
  checkCluster(introduced, settings, 'the cluster of the other nodes');
  return {
    name: introduced.clusterName,
    members: introduced.members,
    nodeId: settings.id,
    segmentBytesMax: introduced.segmentBytesMax,
    incarnation: drawIncarnation(means.random),
  };
}

/** From 2 to 2^48 - 1: no node has been it before, as good as certainly. */
function drawIncarnation(random: RandomSource): number {
  return Math.max(firstIncarnation + 1, drawNumber(random));
}

/** Up to 2^48 - 1: as good as certainly never drawn before. */
function drawNumber(random: RandomSource): number {
  return random.bytes(6).readUIntLE(0, 6);
}

function warn({ logger, directory }: NodeSettings, incarnation: number, reason: string): void {
  logger.warn(
    { directory, incarnation, reason },
    'joining as a new incarnation, which takes no part before the others have admitted it',
  );
}

/** The value, or the error if what is on the disk is rotten. */
async function wholeOf<Value>(value: Promise<Value>): Promise<Value | LogLogError> {
  try {
    return await value;
  } catch (error) {
    if (error instanceof LogLogError && error.code === 'DATA_CORRUPT') return error;
    throw error;
  }
}

async function hasLog(disk: Disk, directory: string): Promise<boolean> {
  return (await disk.list(segmentsIn(directory))).length > 0;
}

async function checkEmpty(disk: Disk, directory: string): Promise<void> {
  const strangers = (await disk.list(directory)).filter(
    (name) => !beginnings.has(name) && !name.endsWith('.unfinished'),
  );
  const [first] = strangers;
  if (first !== undefined) {
    throw new LogLogError(
      'DIRECTORY_NOT_EMPTY',
      `${directory} is not empty: it holds ${first}, but no identity`,
    );
  }
}

function checkIdentity(found: Identity, settings: NodeSettings): void {
  const { id, directory, creation } = settings;
  if (found.nodeId !== id) {
    throw new LogLogError('WRONG_NODE', `${directory} belongs to ${found.nodeId}, not to ${id}`);
  }
  if (creation.type === 'ifEmpty' && creation.name !== found.clusterName) {
    throw new LogLogError(
      'WRONG_CLUSTER',
      `${directory} belongs to cluster ${found.clusterName}, not to ${creation.name}`,
    );
  }
  checkCluster(found, settings, `the cluster in ${directory}`);
}

function checkCluster(found: ClusterIntroduction, settings: NodeSettings, what: string): void {
  const { members, peers, segmentBytesMax } = settings;
  if (found.members.join() !== members.join()) {
    const listed = peers.size === 0 ? 'none' : members.join(', ');
    throw new LogLogError(
      'WRONG_CLUSTER',
      `${what} has the nodes ${found.members.join(', ')}; listed are: ${listed}`,
    );
  }
  if (segmentBytesMax !== undefined && segmentBytesMax !== found.segmentBytesMax) {
    throw invalid(
      `${what} began with segmentBytesMax ${found.segmentBytesMax}, ` +
        `which cannot become ${segmentBytesMax}`,
    );
  }
}
