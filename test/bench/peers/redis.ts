/** Redis Streams: a primary that syncs always, and two replicas that `WAIT` asks. */
import { localHost } from '../../../cli/ports.js';
import type { Cluster, Contender } from '../contender.js';
import type { PeerLog } from '../driving.js';
import { measurePeer, repeat } from '../driving.js';
import { RedisConnection } from './redis-connection.js';
import type { RespValue } from './resp.js';
import { request } from './resp.js';
import type { ServerPlan } from '../servers.js';
import {
  eventually,
  killServers,
  planServers,
  ServerProcess,
  startServers,
  versionOf,
} from '../servers.js';

const program = 'redis-server';
const replicas = 2;
const stream = 'log';
const field = 'e';

/** Connections that take turns: WAIT blocks the one that it is sent on. */
const lanes = 8;
const groupBytesMax = 2 ** 20;
const bulkBytesInFlight = 2 * 2 ** 20;
const bulkEntriesInFlightMax = 8192;
const pageBytes = 2 ** 20;

export const redis: Contender = {
  name: 'redis',
  notes: `\`appendfsync always\` on all three. Driven over ${lanes} raw sockets in Node.js; what is waiting for a connection leaves as one pipeline of \`XADD\` and a \`WAIT 2\`, so that an entry alone leaves at once. \`WAIT\` confirms receipt by the replicas, not that they have synced. Read by \`XRANGE\` in pages of 1 MiB; the tail is \`XREAD BLOCK\` on a replica. The whole stream lies in memory.`,

  version: () => versionOf(program, ['--version']),

  async start(directory: string): Promise<Cluster> {
    const plans = await planServers(directory);
    const [primary, replica] = plans;
    if (primary === undefined || replica === undefined) throw new Error('there are three servers');
    const servers = plans.map(
      (plan) => new ServerProcess(program, argumentsOf(plan, primary), plan),
    );
    return startServers(servers, async () => {
      await eventually(servers, () => checkReplicas(primary.port));
      const log = await RedisLog.open(primary.port, replica.port);
      return {
        measure: (workload, seconds) => measurePeer(log, workload, seconds),
        stop: async () => {
          log.close();
          await killServers(servers);
        },
      };
    });
  },
};

function argumentsOf({ port, directory }: ServerPlan, primary: ServerPlan): string[] {
  const follows = port === primary.port ? [] : ['--replicaof', localHost, String(primary.port)];
  return [
    ...['--bind', localHost, '--port', String(port), '--dir', directory],
    ...['--appendonly', 'yes', '--appendfsync', 'always', '--save', ''],
    // Neither rewriting its file nor falling behind is what is measured.
    ...['--auto-aof-rewrite-percentage', '0', '--repl-diskless-sync-delay', '0'],
    ...['--client-output-buffer-limit', 'replica 0 0 0'],
    ...follows,
  ];
}

async function checkReplicas(port: number): Promise<void> {
  const connection = await RedisConnection.open(port);
  try {
    const information = String(await connection.call('INFO', 'replication'));
    const online = information.match(/^slave\d+:.*state=online/gm) ?? [];
    if (online.length < replicas) throw new Error(`${online.length} replicas are online`);
  } finally {
    connection.close();
  }
}

const wait = request('WAIT', replicas, 0);
const lineEnd = Buffer.from('\r\n');
const addStart = request('XADD', stream, '*', field, '').subarray(0, -'$0\r\n\r\n'.length);

/** An `XADD` up to the entry itself. */
function addHead(entryBytes: number): Buffer {
  return Buffer.concat([addStart, Buffer.from(`$${entryBytes}\r\n`)]);
}

class RedisLog implements PeerLog {
  readonly #lanes: readonly Lane[];
  readonly #reader: RedisConnection;
  readonly #replica: RedisConnection;
  #turn = 0;

  private constructor(
    connections: readonly RedisConnection[],
    reader: RedisConnection,
    replica: RedisConnection,
  ) {
    this.#lanes = connections.map((connection) => new Lane(connection));
    this.#reader = reader;
    this.#replica = replica;
  }

  static async open(primaryPort: number, replicaPort: number): Promise<RedisLog> {
    const opening = Array.from({ length: lanes }, () => RedisConnection.open(primaryPort));
    return new RedisLog(
      await Promise.all(opening),
      await RedisConnection.open(primaryPort),
      await RedisConnection.open(replicaPort),
    );
  }

  append(entry: Buffer): Promise<void> {
    this.#turn = (this.#turn + 1) % this.#lanes.length;
    const lane = this.#lanes[this.#turn];
    if (lane === undefined) throw new Error('there is at least one lane');
    return lane.append(entry);
  }

  bulkInFlight(entryBytes: number): number {
    return Math.min(bulkEntriesInFlightMax, Math.ceil(bulkBytesInFlight / entryBytes));
  }

  fill(entry: Buffer, count: number): Promise<void> {
    return repeat(count, this.bulkInFlight(entry.length), () => this.append(entry));
  }

  async readAll(onEntry: (bytes: number) => void): Promise<void> {
    let after = '-';
    let perPage = 1;
    for (;;) {
      const page = rangeOf(await this.#reader.call('XRANGE', stream, after, '+', 'COUNT', perPage));
      for (const { data } of page) onEntry(data.length);
      const last = page.at(-1);
      if (last === undefined) return;
      perPage = Math.max(1, Math.floor(pageBytes / last.data.length));
      after = `(${last.id}`;
    }
  }

  /** The first answer is awaited by then, for what comes behind the last entry. */
  async tail(onEntry: (bytes: number) => void): Promise<void> {
    const last = rangeOf(await this.#reader.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)).at(0);
    const follow = async (id: string): Promise<never> => {
      let from = id;
      for (;;) {
        const reply = await this.#replica.call('XREAD', 'BLOCK', 0, 'STREAMS', stream, from);
        const [key] = arrayOf(reply);
        for (const { id: next, data } of rangeOf(arrayOf(key)[1])) {
          from = next;
          onEntry(data.length);
        }
      }
    };
    // It ends with its connection; a tail that fails earlier is noticed by what it doesn't show.
    follow(last?.id ?? '0').catch(() => {});
  }

  close(): void {
    for (const lane of this.#lanes) lane.close();
    this.#reader.close();
    this.#replica.close();
  }
}

interface Entry {
  readonly id: string;
  readonly data: Buffer;
}

/** `[[id, [field, value]], …]` */
function rangeOf(reply: RespValue | undefined): Entry[] {
  return arrayOf(reply).map((item) => {
    const [id, fields] = arrayOf(item);
    const data = arrayOf(fields)[1];
    if (!Buffer.isBuffer(id) || !Buffer.isBuffer(data)) throw new Error('this is no entry');
    return { id: id.toString(), data };
  });
}

function arrayOf(reply: RespValue | undefined): RespValue[] {
  if (!Array.isArray(reply)) throw new Error('Redis has answered something else than an array');
  return reply;
}

interface Waiting {
  readonly entry: Buffer;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** Appends in groups: what comes while one group is awaited makes up the next one. */
class Lane {
  readonly #connection: RedisConnection;
  #waiting: Waiting[] = [];
  #isBusy = false;

  constructor(connection: RedisConnection) {
    this.#connection = connection;
  }

  /** Resolves when both replicas have received the entry, and the primary has synced it. */
  append(entry: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ entry, resolve, reject });
      if (this.#isBusy) return;
      this.#isBusy = true;
      // What is appended in the same turn belongs to the same group.
      setImmediate(() => void this.#work());
    });
  }

  close(): void {
    this.#connection.close();
  }

  async #work(): Promise<void> {
    while (this.#waiting.length > 0) {
      const group = this.#nextGroup();
      try {
        await this.#send(group);
        for (const { resolve } of group) resolve();
      } catch (error) {
        const cause = error instanceof Error ? error : new Error(String(error));
        for (const { reject } of group) reject(cause);
      }
      // Those who have been answered append again before the next group leaves.
      await Promise.resolve();
    }
    this.#isBusy = false;
  }

  #nextGroup(): Waiting[] {
    let bytes = 0;
    const end = this.#waiting.findIndex(({ entry }) => (bytes += entry.length) > groupBytesMax);
    const count = end === -1 ? this.#waiting.length : Math.max(1, end);
    return this.#waiting.splice(0, count);
  }

  async #send(group: readonly Waiting[]): Promise<void> {
    const requests = group.flatMap(({ entry }) => [addHead(entry.length), entry, lineEnd]);
    const bytes = Buffer.concat([...requests, wait]);
    const replies = await this.#connection.send(bytes, group.length + 1);
    const receivers = replies.at(-1);
    if (typeof receivers !== 'number' || receivers < replicas) {
      throw new Error(`${String(receivers)} replicas have received it`);
    }
  }
}
