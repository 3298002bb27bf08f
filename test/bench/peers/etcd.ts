/** etcd: three nodes, an entry a key. */
import type { ClientDuplexStream } from '@grpc/grpc-js';
import { Client, credentials } from '@grpc/grpc-js';
import { localHost } from '../../../cli/ports.js';
import type { Cluster, Contender, Measured } from '../contender.js';
import type { PeerLog } from '../driving.js';
import { measurePeer, repeat } from '../driving.js';
import type { Put } from './etcd-messages.js';
import {
  decodeRange,
  decodeWatched,
  encodePut,
  encodePuts,
  encodeRange,
  encodeWatch,
  isStatusOfLeader,
} from './etcd-messages.js';
import type { Puts } from './etcd-tool.js';
import { isToolInstalled, putFor } from './etcd-tool.js';
import type { ServerPlan } from '../servers.js';
import {
  eventually,
  killServers,
  planServers,
  ServerProcess,
  startServers,
  urlOf,
  versionOf,
} from '../servers.js';
import type { Workload } from '../workloads.js';

const program = 'etcd';
const bulkInFlight = 1024;
/** Counts of entries to be read are multiples of it; etcd takes up to 128. */
const fillPuts = 64;
const fillsInFlight = 16;
const pageBytes = 2 ** 20;
const messageBytesMax = 8 * 2 ** 20;
const quotaBytes = 8 * 2 ** 30;
const answerTimeoutMs = 30_000;
const probeTimeoutMs = 1000;

/** Keys in the order of their numbers, and what lies behind them all. */
const keyDigits = 12;
const firstKey = Buffer.from('0');
const lastKey = Buffer.from(':');

const isDrivenByTool = await isToolInstalled();

export const etcd: Contender = {
  name: 'etcd',
  notes: `Every entry a \`Put\` of a key of its own${isDrivenByTool ? ", driven by etcd's own `tools/benchmark`, in Go" : ', driven by @grpc/grpc-js in Node.js: its own `tools/benchmark` is not installed'}; ${bulkInFlight} at a time in bulk. Read in \`Range\` pages of 1 MiB, serializable, and tailed by \`Watch\` on a follower, both by @grpc/grpc-js.`,

  version: () => versionOf(program, ['--version']),

  async start(directory: string): Promise<Cluster> {
    const plans = await planServers(directory);
    const servers = plans.map((plan) => new ServerProcess(program, argumentsOf(plan, plans), plan));
    return startServers(servers, async () => {
      const log = await eventually(servers, () => EtcdLog.open(plans));
      const ports = plans.map(({ port }) => port);
      const stopping = new AbortController();
      return {
        measure: (workload, seconds) => {
          const { signal } = stopping;
          return measure(log, { ports, signal }, workload, seconds);
        },
        stop: async () => {
          stopping.abort();
          log.close();
          await killServers(servers);
        },
      };
    });
  },
};

function argumentsOf(plan: ServerPlan, plans: readonly ServerPlan[]): string[] {
  const cluster = plans.map(({ id, peerPort }) => `${id}=${urlOf(peerPort)}`).join(',');
  return [
    ...['--name', plan.id, '--data-dir', `${plan.directory}/data`],
    ...['--listen-client-urls', urlOf(plan.port), '--advertise-client-urls', urlOf(plan.port)],
    ...['--listen-peer-urls', urlOf(plan.peerPort)],
    ...['--initial-advertise-peer-urls', urlOf(plan.peerPort)],
    ...['--initial-cluster', cluster, '--initial-cluster-state', 'new'],
    ...['--max-request-bytes', String(messageBytesMax)],
    ...['--quota-backend-bytes', String(quotaBytes)],
    ...['--logger', 'zap', '--log-level', 'error'],
  ];
}

async function measure(
  log: EtcdLog,
  tool: Pick<Puts, 'ports' | 'signal'>,
  workload: Workload,
  seconds: number,
): Promise<Measured> {
  const { kind, entryBytes } = workload;
  const isAppend = kind === 'append' || kind === 'bulk';
  if (!isAppend || !isDrivenByTool) return measurePeer(log, workload, seconds);
  const inFlight = kind === 'bulk' ? log.bulkInFlight() : workload.inFlight;
  const measured = await putFor({ ...tool, entryBytes, inFlight }, seconds);
  return kind === 'bulk' ? { ...measured, latencyMs: null } : measured;
}

class EtcdLog implements PeerLog {
  readonly #leader: Client;
  readonly #follower: Client;
  #watch: ClientDuplexStream<Buffer, Buffer> | undefined;
  #appended = 0;

  private constructor(leader: Client, follower: Client) {
    this.#leader = leader;
    this.#follower = follower;
  }

  /** Throws until a node leads and takes part in a quorum. */
  static async open(plans: readonly ServerPlan[]): Promise<EtcdLog> {
    const clients = plans.map(({ port }) => clientOf(port));
    try {
      const statuses = clients.map((client) =>
        call(client, 'Maintenance/Status', Buffer.alloc(0), probeTimeoutMs),
      );
      const isLeader = (await Promise.all(statuses)).map(isStatusOfLeader);
      const leader = clients[isLeader.indexOf(true)];
      const follower = clients[isLeader.indexOf(false)];
      if (leader === undefined || follower === undefined) throw new Error('etcd has no leader');
      return new EtcdLog(leader, follower);
    } catch (error) {
      for (const client of clients) client.close();
      throw error;
    }
  }

  async append(entry: Buffer): Promise<void> {
    await call(this.#leader, 'KV/Put', encodePut(this.#next(entry)));
  }

  bulkInFlight(): number {
    return bulkInFlight;
  }

  /** In transactions: this is not measured. */
  fill(entry: Buffer, count: number): Promise<void> {
    return repeat(count / fillPuts, fillsInFlight, async () => {
      const puts = Array.from({ length: fillPuts }, () => this.#next(entry));
      await call(this.#leader, 'KV/Txn', encodePuts(puts));
    });
  }

  async readAll(onEntry: (bytes: number) => void): Promise<void> {
    let from = firstKey;
    let limit = 1;
    for (;;) {
      const request = encodeRange({ from, to: lastKey, limit });
      const page = decodeRange(await call(this.#leader, 'KV/Range', request));
      for (const { value } of page) onEntry(value.length);
      const last = page.at(-1);
      if (last === undefined) return;
      // The first key behind the last one.
      from = Buffer.concat([last.key, Buffer.alloc(1)]);
      limit = Math.max(1, Math.floor(pageBytes / last.value.length));
    }
  }

  /** Resolves when the follower says that it watches. */
  tail(onEntry: (bytes: number) => void): Promise<void> {
    const watch = this.#follower.makeBidiStreamRequest(path('Watch/Watch'), same, same);
    this.#watch = watch;
    return new Promise((resolve, reject) => {
      watch.on('error', reject);
      watch.on('data', (message: Buffer) => {
        const { isCreated, puts } = decodeWatched(message);
        if (isCreated) resolve();
        for (const { value } of puts) onEntry(value.length);
      });
      watch.write(encodeWatch({ from: firstKey, to: lastKey }));
    });
  }

  close(): void {
    this.#watch?.cancel();
    this.#leader.close();
    this.#follower.close();
  }

  #next(value: Buffer): Put {
    this.#appended += 1;
    return { key: Buffer.from(String(this.#appended).padStart(keyDigits, '0')), value };
  }
}

function clientOf(port: number): Client {
  return new Client(`${localHost}:${port}`, credentials.createInsecure(), {
    'grpc.max_receive_message_length': messageBytesMax,
    'grpc.max_send_message_length': messageBytesMax,
    'grpc-node.flow_control_window': messageBytesMax,
    'grpc.use_local_subchannel_pool': 1,
  });
}

function path(method: string): string {
  return `/etcdserverpb.${method}`;
}

/** Messages are encoded and decoded by hand. */
function same(bytes: Buffer): Buffer {
  return bytes;
}

function call(
  client: Client,
  method: string,
  request: Buffer,
  timeoutMs = answerTimeoutMs,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const deadline = Date.now() + timeoutMs;
    client.makeUnaryRequest(path(method), same, same, request, { deadline }, (error, reply) => {
      if (error !== null) reject(error);
      else if (reply === undefined) reject(new Error(`etcd answers ${method} with nothing`));
      else resolve(reply);
    });
  });
}
