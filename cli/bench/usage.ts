/** What the nodes of a cluster took to do their work, from what they say of themselves. */
import type { Client, ClusterStatus, ReachableNode } from '../../index.js';
import type { Role } from '../../proto/service.js';

export interface NodeUsage {
  readonly id: string;
  readonly role: Role;
  /** Processor time per time: 1 is one core. */
  readonly cores: number;
  /** At the end. */
  readonly residentBytes: number;
  /** Batches that it wrote from staged uploads; a leader writes those it orders from elsewhere. */
  readonly stagedBatches: number;
  /** Batches that the leader had to send it whole. */
  readonly inlinedBatches: number;
  /** In messages to other nodes. */
  readonly peerBytesSent: number;
}

export interface Snapshot {
  readonly status: ClusterStatus;
  readonly atMs: number;
}

export async function takeSnapshot(client: Client): Promise<Snapshot> {
  const status = await client.status();
  return { status, atMs: performance.now() };
}

/** Of the nodes that answered both times and were not started anew in between. */
export function usageBetween(before: Snapshot, after: Snapshot): NodeUsage[] {
  const micros = 1000 * (after.atMs - before.atMs);
  const earlier = new Map(reachable(before).map((node) => [node.id, node]));
  return reachable(after).flatMap((node) => {
    const then = earlier.get(node.id);
    if (then?.processId !== node.processId) return [];
    return {
      id: node.id,
      role: node.role,
      cores: (node.cpuMicros - then.cpuMicros) / micros,
      residentBytes: node.residentBytes,
      stagedBatches: node.staged.matchedBatches - then.staged.matchedBatches,
      inlinedBatches: node.staged.inlinedBatches - then.staged.inlinedBatches,
      peerBytesSent: node.peerBytesSent - then.peerBytesSent,
    };
  });
}

function reachable({ status }: Snapshot): ReachableNode[] {
  return status.nodes.filter((node) => node.reachable);
}
