/** NATS JetStream: a stream in files with three replicas, as it comes. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { localHost } from '../../../cli/ports.js';
import { orDeadline } from '../../../cli/session.js';
import type { Cluster, Contender } from '../contender.js';
import type { PeerLog } from '../driving.js';
import { measurePeer, repeat } from '../driving.js';
import { NatsConnection } from './nats-connection.js';
import type { ServerPlan } from '../servers.js';
import {
  eventually,
  killServers,
  planServers,
  ServerProcess,
  startServers,
  versionOf,
} from '../servers.js';

const program = 'nats-server';
const stream = 'log';
const bulkBytesInFlight = 4 * 2 ** 20;
const bulkEntriesInFlightMax = 4096;
const answerTimeoutMs = 5000;
const heartbeatNanoseconds = 5e9;

export const jetstream: Contender = {
  name: 'jetstream',
  notes:
    'A stream of three replicas in files, synced as by default: every two minutes, not before an acknowledgement. Driven over a raw socket in Node.js to the node that leads the stream, every entry published and acknowledged on its own, what is sent in one turn in one write. Read by a push consumer with flow control; that of the tail is connected to a node that does not lead.',

  version: () => versionOf(program, ['--version']),

  async start(directory: string): Promise<Cluster> {
    const plans = await planServers(directory);
    for (const plan of plans) await writeFile(configOf(plan), configuration(plan, plans));
    const servers = plans.map((plan) => new ServerProcess(program, ['-c', configOf(plan)], plan));
    return startServers(servers, async () => {
      const log = await eventually(servers, () => JetStreamLog.open(plans));
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

function configOf({ directory }: ServerPlan): string {
  return join(directory, 'nats.conf');
}

function configuration(plan: ServerPlan, plans: readonly ServerPlan[]): string {
  const routes = plans.map(({ peerPort }) => `nats://${localHost}:${peerPort}`);
  return `
    server_name: ${plan.id}
    listen: "${localHost}:${plan.port}"
    max_payload: 2MB
    jetstream { store_dir: "${join(plan.directory, 'data')}", max_file_store: 64GB }
    cluster {
      name: bench
      listen: "${localHost}:${plan.peerPort}"
      routes: [${routes.map((route) => `"${route}"`).join(', ')}]
    }
  `;
}

class JetStreamLog implements PeerLog {
  readonly #leader: NatsConnection;
  readonly #follower: NatsConnection;
  #consumers = 0;

  private constructor(leader: NatsConnection, follower: NatsConnection) {
    this.#leader = leader;
    this.#follower = follower;
  }

  /** Makes the stream. Throws until all three nodes take part. */
  static async open(plans: readonly ServerPlan[]): Promise<JetStreamLog> {
    const leaderId = await createStream(plans);
    const leader = plans.find(({ id }) => id === leaderId);
    const follower = plans.find(({ id }) => id !== leaderId);
    if (leader === undefined || follower === undefined) throw new Error('the stream has no leader');
    return new JetStreamLog(
      await NatsConnection.open(leader.port),
      await NatsConnection.open(follower.port),
    );
  }

  async append(entry: Buffer): Promise<void> {
    const reply = await this.#leader.request(stream, entry);
    if (reply.includes('"error"')) throw new Error(`JetStream answers ${reply.toString()}`);
  }

  bulkInFlight(entryBytes: number): number {
    return Math.min(bulkEntriesInFlightMax, Math.ceil(bulkBytesInFlight / entryBytes));
  }

  fill(entry: Buffer, count: number): Promise<void> {
    return repeat(count, this.bulkInFlight(entry.length), () => this.append(entry));
  }

  async readAll(onEntry: (bytes: number) => void): Promise<void> {
    const information = await ask(this.#leader, `STREAM.INFO.${stream}`, {});
    let left = information.state?.messages ?? 0;
    let end = () => {};
    const done = new Promise<void>((resolve) => (end = resolve));
    const stop = await this.#consume(this.#leader, 'all', (bytes) => {
      onEntry(bytes);
      left -= 1;
      if (left === 0) end();
    });
    if (left > 0) await done;
    await stop();
  }

  async tail(onEntry: (bytes: number) => void): Promise<void> {
    await this.#consume(this.#follower, 'new', onEntry);
  }

  close(): void {
    this.#leader.close();
    this.#follower.close();
  }

  /** As an ordered consumer: pushed, not acknowledged, held back only by flow control. */
  async #consume(
    connection: NatsConnection,
    from: 'all' | 'new',
    onEntry: (bytes: number) => void,
  ): Promise<() => Promise<void>> {
    this.#consumers += 1;
    const deliverTo = `deliver.${this.#consumers}`;
    const unsubscribe = connection.subscribe(deliverTo, ({ replyTo, status, payload }) => {
      if (status === '') onEntry(payload.length);
      // A request of flow control is to be answered as it is met among the messages.
      else if (replyTo !== undefined) connection.notify(replyTo);
    });
    const { name } = await ask(connection, `CONSUMER.CREATE.${stream}`, {
      stream_name: stream,
      config: {
        deliver_subject: deliverTo,
        deliver_policy: from,
        ack_policy: 'none',
        replay_policy: 'instant',
        flow_control: true,
        idle_heartbeat: heartbeatNanoseconds,
        mem_storage: true,
        num_replicas: 1,
      },
    });
    return async () => {
      unsubscribe();
      await ask(connection, `CONSUMER.DELETE.${stream}.${name}`, {});
    };
  }
}

/** Returns the id of the node that leads it. */
async function createStream(plans: readonly ServerPlan[]): Promise<string> {
  const connection = await NatsConnection.open(plans[0]?.port ?? 0);
  try {
    const { cluster } = await ask(connection, `STREAM.CREATE.${stream}`, {
      name: stream,
      subjects: [stream],
      storage: 'file',
      retention: 'limits',
      num_replicas: plans.length,
    });
    if (cluster?.leader === undefined || cluster.replicas?.length !== plans.length - 1) {
      throw new Error('the stream is not complete yet');
    }
    return cluster.leader;
  } finally {
    connection.close();
  }
}

/** Of the many answers of its interface, what is looked at. */
interface Answer {
  readonly error?: { readonly description: string };
  readonly name?: string;
  readonly state?: { readonly messages: number };
  readonly cluster?: { readonly leader?: string; readonly replicas?: readonly unknown[] };
}

/** Rejects when there is no answer: nodes without a leader give none. */
async function ask(connection: NatsConnection, what: string, body: object): Promise<Answer> {
  const request = connection.request(`$JS.API.${what}`, Buffer.from(JSON.stringify(body)));
  const reply = await orDeadline(answerTimeoutMs, `JetStream: ${what}`, request);
  const answer = JSON.parse(reply.toString()) as Answer;
  if (answer.error !== undefined) throw new Error(`JetStream: ${answer.error.description}`);
  return answer;
}
