/**
 * One process of the bare pipe (bare.ts): the production server, links and log, with nothing
 * between them but a count. It serves clients once it is linked to those that it talks to.
 */
import { tuneV8 } from '../../../cli/v8.js';
import { createLogger } from '../../../cli/log-lines.js';
import { localHost } from '../../../cli/ports.js';
import { assert } from '../../../proto/errors.js';
import { batchBytesMax } from '../../../proto/limits.js';
import { systemClock, systemRandom } from '../../../proto/system.js';
import { clusterIdOf } from '../../../server/log/identity.js';
import type { Logger } from '../../../server/logger.js';
import { Members } from '../../../server/members.js';
import { firstIncarnation } from '../../../server/raft/types.js';
import { Readers } from '../../../server/readers.js';
import { GrpcServer } from '../../../server/rpc/grpc-server.js';
import { WebSocketPeers } from '../../../server/rpc/peer-transport.js';
import { BareFollower } from './bare-follower.js';
import { BareLeader, lagBytesMax } from './bare-leader.js';
import { BareLog, bareTerm, segmentBytesMax } from './bare-log.js';
import type { BarePart } from './bare-part.js';
import { BareService } from './bare-service.js';
import type { ServerPlan } from '../servers.js';

/** What a process is told, as JSON: its first argument. */
export interface BarePlan {
  readonly clusterName: string;
  /** Sorted; the first one leads. */
  readonly nodes: readonly ServerPlan[];
  readonly id: string;
}

/** One batch, with what the message adds. */
const messageBytesMax = batchBytesMax + 2 ** 20;

/** With their headers and messages, frames that wait take less than twice what they are. */
const inflightBytesMax = 2 * lagBytesMax;

interface Site {
  readonly own: ServerPlan;
  readonly leader: ServerPlan;
  readonly ids: readonly string[];
  /** Those that this node talks to. */
  readonly partners: readonly ServerPlan[];
  readonly clusterName: string;
  readonly clusterId: string;
  readonly members: Members;
  readonly logger: Logger;
}

async function main(site: Site): Promise<void> {
  const { own, leader, ids, clusterId, members, logger } = site;
  const fail = (error: unknown): never => {
    logger.error({ err: error }, 'the bare pipe is broken');
    process.exit(1);
  };
  const log = await BareLog.open(own.directory, clusterId, () => part.synced(), fail);
  const peers = await listenToPeers(site);
  const onCommitted = () => readers.advanced();
  const part: BarePart =
    own === leader
      ? new BareLeader(log, ids, { send: (to, message) => peers.send(to, message), onCommitted })
      : new BareFollower(log, members, {
          send: (message) => peers.send(leader.id, message),
          onSynced: onCommitted,
        });
  const readers = new Readers(log.log, systemClock, () => part.readableOffset, fail);
  await link(peers, site, part, fail);
  const peerBytesSent = () => peers.bytesSent;
  const service = new BareService({
    ...{ id: own.id, clusterId, members, log, part, readers },
    peerBytesSent,
  });
  await GrpcServer.start(service, { host: localHost, port: own.port, logger });
}

function siteOf({ clusterName, nodes, id }: BarePlan): Site {
  const own = nodes.find((node) => node.id === id);
  const [leader, ...followers] = nodes;
  assert(own !== undefined && leader !== undefined, 'a node is one of its cluster');
  const ids = nodes.map((node) => node.id);
  const members = new Members(ids, id);
  members.leads(leader.id, bareTerm);
  for (const node of nodes) members.address(node.id, addressOf(node));
  return {
    own,
    leader,
    ids,
    partners: own === leader ? followers : [leader],
    clusterName,
    clusterId: clusterIdOf(clusterName, ids, segmentBytesMax),
    members,
    logger: createLogger(id, 'error'),
  };
}

function listenToPeers(site: Site): Promise<WebSocketPeers> {
  const { own, partners, clusterId, clusterName, ids, logger } = site;
  return WebSocketPeers.listen({
    nodeId: own.id,
    clientAddress: () => addressOf(own),
    cluster: () => ({ clusterId, clusterName, members: ids, segmentBytesMax }),
    listen: { host: localHost, port: own.peerPort },
    peers: new Map(partners.map(({ id, peerPort }) => [id, `${localHost}:${peerPort}`])),
    clock: systemClock,
    random: systemRandom,
    logger,
    inflightBytesMax,
    messageBytesMax,
  });
}

/** Resolves when what this node says is heard. A link that is lost later has lost frames. */
function link(
  peers: WebSocketPeers,
  { partners }: Site,
  part: BarePart,
  fail: (error: unknown) => void,
): Promise<void> {
  const linked = new Set<string>();
  return new Promise((resolve) => {
    peers.start(
      {
        onMessage: (from, _incarnation, message) => part.received(from, message),
        onLink: (peer, incarnation) => {
          if (incarnation === null) return fail(new Error(`the link to ${peer} is lost`));
          linked.add(peer);
          if (linked.size === partners.length) resolve();
        },
        onGreeting: () => undefined,
        onAddress: () => undefined,
      },
      () => ({
        incarnation: firstIncarnation,
        process: 0,
        startTerm: bareTerm,
        term: bareTerm,
        durableOffset: 0,
      }),
    );
  });
}

/** Where clients reach it. */
function addressOf({ port }: ServerPlan): string {
  return `${localHost}:${port}`;
}

tuneV8();
await main(siteOf(JSON.parse(process.argv[2] ?? '') as BarePlan));
