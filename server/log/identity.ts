/**
 * Whose directory it is: the file `identity`, written last when a data directory is made, so a new
 * directory with an identity is complete. Replaced as a whole when a node that has lost what it
 * promised becomes another incarnation of itself. Kept twice, so that rot in one copy costs nothing.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { LogLogError } from '../../proto/errors.js';
import { nodesMax } from '../../proto/limits.js';
import type { Disk } from './disk.js';
import { asCount, asFields, asList, asText, misshapen } from './shape.js';
import { createSlots, readSlots, SlotFile } from './slots.js';

export interface Identity {
  /** 64 hexadecimal digits: clusterIdOf the name, the members and the segment size. */
  readonly clusterId: string;
  readonly clusterName: string;
  readonly nodeId: string;
  /** Every node's id, sorted. */
  readonly members: readonly string[];
  readonly segmentBytesMax: number;
  /** 1 when the cluster begins; a random number in each later life of the node. */
  readonly incarnation: number;
}

export interface ClusterPlan {
  readonly name: string;
  readonly members: readonly string[];
  readonly nodeId: string;
  readonly segmentBytesMax: number;
  readonly incarnation: number;
}

/** A slot has room for eight times what `nodesMax` ids and a name of 32 characters each take. */
const format = { fileName: 'identity', magic: 'LLid', version: 1 } as const;

/** The same for the same nodes in any order; 64 hexadecimal digits of SHA-256. */
export function clusterIdOf(
  name: string,
  members: readonly string[],
  segmentBytesMax: number,
): string {
  // JSON quotes what it holds, so no two different clusters are written alike.
  const described = JSON.stringify(['loglog cluster 1', name, members.toSorted(), segmentBytesMax]);
  return createHash('sha256').update(described).digest('hex');
}

/** Makes the directory this node's. Throws CONFIG_INVALID, or DIRECTORY_NOT_EMPTY if it has one. */
export async function createIdentity(
  disk: Disk,
  directory: string,
  plan: ClusterPlan,
): Promise<Identity> {
  checkPlan(plan);
  if (await hasIdentity(disk, directory)) {
    throw new LogLogError('DIRECTORY_NOT_EMPTY', `${directory} belongs to a node already`);
  }
  return write(disk, directory, planned(plan));
}

/**
 * In the place of an identity that is lost, or of one that cannot be read. Durable when it
 * resolves. Throws CONFIG_INVALID.
 */
export async function replaceIdentity(
  disk: Disk,
  directory: string,
  plan: ClusterPlan,
): Promise<Identity> {
  checkPlan(plan);
  return write(disk, directory, planned(plan));
}

/** The same node in another life. Durable when it resolves; until then the old one is there. */
export async function replaceIncarnation(
  disk: Disk,
  directory: string,
  identity: Identity,
  incarnation: number,
): Promise<Identity> {
  return write(disk, directory, { ...identity, incarnation });
}

/**
 * Undefined if the directory has none; nothing is written. Throws DATA_CORRUPT if neither copy is
 * whole, and FORMAT_UNKNOWN.
 */
export async function loadIdentity(disk: Disk, directory: string): Promise<Identity | undefined> {
  if (!(await hasIdentity(disk, directory))) return undefined;
  const path = join(directory, format.fileName);
  const fields = asFields(await readSlots(disk, directory, format), path);
  const members = asList(fields['members'], `${path}: members`);
  const identity: Identity = {
    clusterId: asText(fields['clusterId'], `${path}: clusterId`),
    clusterName: asText(fields['clusterName'], `${path}: clusterName`),
    nodeId: asText(fields['nodeId'], `${path}: nodeId`),
    members: members.map((member) => asText(member, `${path}: a member`)),
    segmentBytesMax: asCount(fields['segmentBytesMax'], `${path}: segmentBytesMax`),
    incarnation: asCount(fields['incarnation'], `${path}: incarnation`),
  };
  const { clusterName, segmentBytesMax } = identity;
  if (identity.clusterId !== clusterIdOf(clusterName, identity.members, segmentBytesMax)) {
    throw misshapen(`${path}: clusterId`, 'the one of its cluster');
  }
  return identity;
}

/** Makes a bad copy good again, from the other. Only of the directory's own node: it writes. */
export async function mendIdentity(disk: Disk, directory: string): Promise<void> {
  const { slots } = await SlotFile.open(disk, directory, format);
  await slots.close();
}

async function write(disk: Disk, directory: string, identity: Identity): Promise<Identity> {
  await createSlots(disk, directory, format, identity);
  return identity;
}

function planned({ name, members, nodeId, segmentBytesMax, incarnation }: ClusterPlan): Identity {
  return {
    clusterId: clusterIdOf(name, members, segmentBytesMax),
    clusterName: name,
    nodeId,
    members: members.toSorted(),
    segmentBytesMax,
    incarnation,
  };
}

export async function hasIdentity(disk: Disk, directory: string): Promise<boolean> {
  return (await disk.lengthOf(join(directory, format.fileName))) !== undefined;
}

function checkPlan({ members, nodeId, segmentBytesMax }: ClusterPlan): void {
  const refuse = (reason: string) => {
    throw new LogLogError('CONFIG_INVALID', reason);
  };
  if (members.length > nodesMax) refuse(`a cluster has at most ${nodesMax} nodes`);
  if (new Set(members).size !== members.length) refuse('two nodes of the cluster have one name');
  if (!members.includes(nodeId)) refuse(`node ${nodeId} is none of ${members.join(', ')}`);
  if (!Number.isSafeInteger(segmentBytesMax) || segmentBytesMax <= 0) {
    refuse(`a segment cannot have ${segmentBytesMax} bytes`);
  }
}
