/**
 * Whose data directory it is: opens one that exists, or begins one where that was asked for. An
 * empty directory is never taken for a node that has lost nothing.
 */
import { join } from 'node:path';
import { LogLogError } from '../proto/errors.js';
import { asLogLogError } from './as-loglog-error.js';
import type { Disk } from './log/disk.js';
import { HardState } from './log/hard-state.js';
import type { Identity } from './log/identity.js';
import { createIdentity, loadIdentity } from './log/identity.js';
import type { NodeSettings } from './options.js';
import { defaults, invalid } from './options.js';

export interface Directory {
  readonly identity: Identity;
  readonly hardState: HardState;
}

/** What an interrupted beginning may have left behind. */
const beginnings = new Set(['hard-state', 'truncation', 'log', 'lock']);

/**
 * The directory must be locked. Throws DIRECTORY_*, CONFIG_INVALID, DATA_CORRUPT, FORMAT_UNKNOWN,
 * DISK_FAILED.
 */
export async function openDirectory(disk: Disk, settings: NodeSettings): Promise<Directory> {
  try {
    return await findOrBegin(disk, settings);
  } catch (error) {
    throw asLogLogError(error);
  }
}

async function findOrBegin(disk: Disk, settings: NodeSettings): Promise<Directory> {
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
  return { identity: found, hardState: await HardState.open(disk, directory) };
}

async function begin(disk: Disk, settings: NodeSettings): Promise<Directory> {
  const { directory, creation, members, id } = settings;
  const [segment] = await disk.list(join(directory, 'log'));
  if (segment !== undefined) {
    throw new LogLogError('DATA_CORRUPT', `${directory} holds a log, but its identity is missing`);
  }
  if (creation.type === 'never') {
    throw new LogLogError(
      'DIRECTORY_EMPTY',
      `${directory} holds no node's data. To begin a new cluster, say so on every node; ` +
        'a node that has lost its disk must not vote as if it had lost nothing',
    );
  }
  await checkEmpty(disk, directory);
  const hardState = await HardState.create(disk, directory);
  // Last, because a directory with an identity counts as complete.
  const identity = await createIdentity(disk, directory, {
    name: creation.name,
    members,
    nodeId: id,
    segmentBytesMax: settings.segmentBytesMax ?? defaults.segmentBytesMax,
  });
  return { identity, hardState };
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

function checkIdentity(found: Identity, { id, members, peers, ...settings }: NodeSettings): void {
  const { directory, creation } = settings;
  if (found.nodeId !== id) {
    throw new LogLogError('WRONG_NODE', `${directory} belongs to ${found.nodeId}, not to ${id}`);
  }
  if (creation.type === 'ifEmpty' && creation.name !== found.clusterName) {
    throw new LogLogError(
      'WRONG_CLUSTER',
      `${directory} belongs to cluster ${found.clusterName}, not to ${creation.name}`,
    );
  }
  if (found.members.join() !== members.join()) {
    const listed = peers.size === 0 ? 'none' : members.join(', ');
    throw new LogLogError(
      'WRONG_CLUSTER',
      `the cluster in ${directory} has the nodes ${found.members.join(', ')}; listed are: ${listed}`,
    );
  }
  const { segmentBytesMax } = settings;
  if (segmentBytesMax !== undefined && segmentBytesMax !== found.segmentBytesMax) {
    throw invalid(
      `the cluster in ${directory} began with segmentBytesMax ${found.segmentBytesMax}, ` +
        `which cannot become ${segmentBytesMax}`,
    );
  }
}
