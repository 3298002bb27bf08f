/** What the whole cluster looks like from here. */
import { assert, LogLogError } from '../proto/errors.js';
import type { NodeStatus } from '../proto/service.js';
import { checkMember } from './call.js';
import type { Cluster, KnownLeader, Member } from './cluster.js';
import { asLogLogError } from './retry.js';
import { Scope, untilAborted } from './scope.js';

export interface ReachableNode extends NodeStatus {
  readonly id: string;
  /** Where it answered. */
  readonly address: string;
  readonly reachable: true;
}

export interface UnreachableNode {
  readonly id: string;
  /** Absent while no node knows it. */
  readonly address?: string;
  readonly reachable: false;
  readonly error: LogLogError;
}

export interface ClusterStatus {
  readonly clusterId: string;
  /** Null when none of the nodes that answered knows one. */
  readonly leader: string | null;
  /** The highest that a node that answered knows. */
  readonly term: number;
  /** Sorted by id. */
  readonly nodes: readonly (ReachableNode | UnreachableNode)[];
}

/** Asks every node, or only the one named, and waits for each at most `timeoutMs`. */
export async function clusterStatus(
  cluster: Cluster,
  options: { readonly node?: string; readonly timeoutMs: number },
  signal: AbortSignal,
): Promise<ClusterStatus> {
  await cluster.ready(signal);
  const { clusterId, members } = cluster;
  assert(clusterId !== undefined, 'a cluster that is ready has an id');
  if (options.node !== undefined) checkMember(cluster, options.node);
  const wanted = members.filter(({ id }) => (options.node ?? id) === id);
  const asked = wanted.map((member) => nodeStatus(cluster, member, options.timeoutMs, signal));
  const nodes = await Promise.all(asked);
  // A node that has come up since may have said where it is to nobody who was asked.
  if (nodes.some(({ reachable }) => !reachable)) cluster.refresh();
  const { id: leader = null, term } = newestLeader(nodes);
  return { clusterId, leader, term, nodes };
}

async function nodeStatus(
  cluster: Cluster,
  { id, address }: Member,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<ReachableNode | UnreachableNode> {
  const service = cluster.service(id);
  if (address === undefined || service === undefined) {
    const error = new LogLogError('UNAVAILABLE', `the address of node ${id} is not known`);
    return { id, reachable: false, error };
  }
  const { clock } = cluster.environment;
  const scope = new Scope(clock, `status of node ${id} at ${address}`, { timeoutMs }, signal);
  try {
    const answer = service.status(cluster.identity(), scope.signal);
    const status = await untilAborted(answer, scope.signal);
    if (status.nodeId === id) return { ...status, id, address, reachable: true };
    const message = `node ${status.nodeId} answers at ${address}, not ${id}`;
    return { id, address, reachable: false, error: new LogLogError('WRONG_NODE', message) };
  } catch (error) {
    if (signal.aborted) throw error;
    return { id, address, reachable: false, error: asLogLogError(error) };
  } finally {
    scope.end();
  }
}

function newestLeader(nodes: readonly (ReachableNode | UnreachableNode)[]): KnownLeader {
  let newest: KnownLeader = { term: 0 };
  for (const node of nodes) {
    if (!node.reachable) continue;
    const { leader, term } = node.leader;
    const isNewer = term > newest.term || (term === newest.term && newest.id === undefined);
    if (isNewer) newest = leader === undefined ? { term } : { id: leader.id, term };
  }
  return newest;
}
