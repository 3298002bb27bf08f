/**
 * The bare pipe: the ceiling of the design on a machine. The same frames go over the same gRPC
 * streams to three processes with the production server, sessions, log and readers, and the nodes
 * talk over the production links. Where answers are waited for, the production client sends them;
 * in bulk entries are handed in by an awaited call each and only copied into frames, and of what is
 * read only the headers of batches are looked at: there the client's other work for each entry would
 * be the limit (bare-frames.ts, bare-pages.ts). Done as in LogLog, and where LogLog does it: each
 * body is uploaded to all three nodes; node 1 verifies its checksum and framing once, before it
 * orders it; every node gives each batch its header and its place in the chain, writes it into
 * segments that are filled ahead and syncs once for a group; the others tell node 1 how far they
 * have synced, once a group; it acknowledges what it and one of them have synced. The logs are the
 * same to the last bit. Reads and tails come from the same code, memory and files.
 *
 * Left out is what makes it a consensus:
 * - elections, terms, votes, heartbeats and the file that they are kept in; the no-op of a new leader;
 * - references with their digests (AES-GMAC over each body, at the leader and at each follower), and
 *   the staging pool's table in which the bodies for them are looked up: followers take bodies in
 *   the order in which the one producer at work has numbered them;
 * - the commit offset on its way to the followers: each serves what it has synced itself;
 * - in bulk, the tickets of a writer; with reads, the verification of pages and the decoding of
 *   entries;
 * - the table of producers, deduplication, conditions, fencing, and retries of whatever is lost;
 * - the state of the log at its end and at the commit offset, and its checkpoints;
 * - the scrubber, repair, and expiry of uploads.
 *
 * A body for which the production client's queue to a node has no room goes there by way of node 1, as
 * in LogLog. But a node that is lagBytesMax behind holds up all; a link that is lost, as one is after two
 * seconds of silence, ends its node and the measurement; and what is still on its way to the slower
 * of the others when its producer is closed never gets there, so that a cluster is measured once.
 */
import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { localHost } from '../../../cli/ports.js';
import type { Client } from '../../../index.js';
import { connect } from '../../../index.js';
import type { LogLogService } from '../../../proto/service.js';
import { grpcTransport } from '../../../client/grpc-transport.js';
import { measureBare } from './bare-driving.js';
import type { BarePlan } from './bare-node.js';
import type { Cluster, Contender } from '../contender.js';
import type { ServerPlan } from '../servers.js';
import { eventually, killServers, planServers, ServerProcess, startServers } from '../servers.js';

const nodeFile = fileURLToPath(new URL('bare-node.js', import.meta.url));
const connectTimeoutMs = 1000;

export const bare: Contender = {
  name: 'bare',
  notes:
    'no consensus: three processes that write, sync and count, the ceiling of the design; ' +
    'acknowledges after two of three have synced. Driven by the client of LogLog; in bulk an ' +
    'awaited call for each entry only copies it into a frame, and of pages that are read only the headers are looked at',
  version: async () => `Node.js ${process.version}`,
  start: async (directory) => (await startBare(directory)).cluster,
};

export interface Bare {
  readonly cluster: Cluster;
  readonly client: Client;
  /** Of all nodes, the leader's first. */
  readonly services: readonly LogLogService[];
}

/** The client and the connections are closed with the cluster. */
export async function startBare(directory: string): Promise<Bare> {
  const nodes = await planServers(directory);
  // A name of its own, so that no other cluster is mistaken for this one.
  const clusterName = `bare-${randomBytes(4).toString('hex')}`;
  const servers = nodes.map((node) => {
    const plan: BarePlan = { clusterName, nodes, id: node.id };
    return new ServerProcess(process.execPath, [nodeFile, JSON.stringify(plan)], node);
  });
  const client = await startServers(servers, () => eventually(servers, () => connectToAll(nodes)));
  const connections = nodes.map((node) => grpcTransport.open(addressOf(node)));
  const services = connections.map(({ service }) => service);
  const cluster: Cluster = {
    async measure(workload, seconds) {
      try {
        return await measureBare(client, services, workload, seconds);
      } finally {
        for (const server of servers) server.check();
      }
    },
    async stop() {
      try {
        for (const connection of connections) connection.close();
        await client.close({ timeoutMs: 1 });
      } finally {
        await killServers(servers);
      }
    },
  };
  return { cluster, client, services };
}

/** Rejects unless every node serves: from then on all of them get every frame. */
async function connectToAll(nodes: readonly ServerPlan[]): Promise<Client> {
  const addresses = nodes.map(addressOf);
  const client = await connect(addresses, { timeoutMs: connectTimeoutMs });
  try {
    const { nodes: found } = await client.status({ timeoutMs: connectTimeoutMs });
    if (found.every(({ reachable }) => reachable)) return client;
    throw new Error('not every node of the bare pipe serves');
  } catch (error) {
    await client.close();
    throw error;
  }
}

function addressOf({ port }: ServerPlan): string {
  return `${localHost}:${port}`;
}
