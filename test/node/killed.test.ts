import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { Client } from '../../index.js';
import { connect, verifyDirectory } from '../../index.js';
import { ProcessCluster } from './processes.js';

/** Appends numbered entries until told to stop; remembers which were acknowledged, and where. */
class Load {
  readonly acknowledged = new Map<number, number>();
  count = 0;
  #running = true;
  readonly #done: Promise<void>;

  constructor(client: Client) {
    this.#done = this.#run(client);
  }

  async stop(): Promise<void> {
    this.#running = false;
    await this.#done;
  }

  async #run(client: Client): Promise<void> {
    const writer = client.writer({ batchBytes: 4096 });
    const padding = randomBytes(200).toString('hex');
    while (this.#running) {
      const number = this.count++;
      const ticket = await writer.write(`${number} ${padding}`);
      ticket.durable.then(
        ({ offset }) => this.acknowledged.set(number, offset),
        () => undefined, // close() tells of it
      );
      if (number % 50 === 0) await sleep(1);
    }
    await writer.close({ timeoutMs: 120_000 });
  }
}

async function threeProcesses(test: Pick<typeof t, 'teardown'>, flags: readonly string[] = []) {
  const cluster = await ProcessCluster.start(3, flags);
  test.teardown(() => cluster.close());
  const client = await connect(cluster.addresses);
  test.teardown(() => client.close({ timeoutMs: 1000 }));
  return { cluster, client, leader: await cluster.leader(client) };
}

async function numbersOn(client: Client, node: string): Promise<Map<number, number>> {
  const numbers = new Map<number, number>();
  let last = -1;
  for await (const { offset, data } of client.read({ node })) {
    const number = Number.parseInt(data.toString('latin1', 0, 20), 10);
    if (number !== last + 1) throw new Error(`${number} follows ${last} on ${node}`);
    numbers.set(number, offset);
    last = number;
  }
  return numbers;
}

t.test('every acknowledged entry survives the death of all nodes at once', async (t) => {
  const { cluster, client } = await threeProcesses(t, ['--segment-bytes', '1MiB']);
  const load = new Load(client);
  for (let round = 0; round < 3; round += 1) {
    await sleep(3000);
    await cluster.kill(cluster.ids);
    await Promise.all(cluster.ids.map((id) => cluster.start(id)));
  }
  await sleep(500);
  await load.stop();
  await cluster.settled(client);
  t.equal(load.acknowledged.size, load.count, 'in the end all were acknowledged');
  t.ok(load.count > 1000, `${load.count} entries`);
  for (const id of cluster.ids) {
    const numbers = await numbersOn(client, id);
    t.equal(numbers.size, load.count, `${id} has each entry once`);
    for (const [number, offset] of load.acknowledged) {
      if (numbers.get(number) !== offset) t.fail(`${number} is not where it was acknowledged`);
    }
  }
  await cluster.kill(cluster.ids);
  for (const id of cluster.ids) {
    const report = await verifyDirectory(cluster.dataOf(id));
    t.same(report.problems, [], `${id} verifies`);
    t.ok(report.ok);
  }
});

// How long it takes is measured by the demonstration, and told in docs/TESTING.md.
t.test('appends go on by themselves after the death of the leader', async (t) => {
  const { cluster, client, leader } = await threeProcesses(t);
  await cluster.kill([leader]);
  await client.append('after', { timeoutMs: 20_000 });
  await cluster.start(leader);
  await cluster.settled(client);
});

t.test('a stopped follower holds nobody up and catches up when it goes on', async (t) => {
  const { cluster, client, leader } = await threeProcesses(t);
  const stopped = cluster.ids.find((id) => id !== leader) ?? '';
  cluster.child(stopped).kill('SIGSTOP');
  const writer = client.writer();
  const entry = randomBytes(64 * 1024);
  for (let i = 0; i < 3200; i += 1) await writer.write(entry);
  await writer.flush();
  const running = cluster.ids.filter((id) => id !== stopped);
  for (const id of running) {
    const mebibytes = Math.round((await cluster.residentBytes(id)) / 2 ** 20);
    t.ok(mebibytes < 350, `${id} takes ${mebibytes} MiB after 200 MiB past a stopped node`);
  }
  const own = Math.round(process.memoryUsage().rss / 2 ** 20);
  t.ok(own < 500, `the client takes ${own} MiB`);
  cluster.child(stopped).kill('SIGCONT');
  await writer.write('the last');
  await writer.close();
  await cluster.settled(client);
});

t.test('a stopped leader is replaced, and follows when it goes on', async (t) => {
  const { cluster, client, leader } = await threeProcesses(t);
  cluster.child(leader).kill('SIGSTOP');
  await client.append('after', { timeoutMs: 20_000 });
  cluster.child(leader).kill('SIGCONT');
  await cluster.settled(client);
  t.not(await cluster.leader(client), leader);
});
