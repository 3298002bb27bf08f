/** Real nodes on real sockets and disks, in this process or in processes of their own. */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client, NodeOptions } from '../../index.js';
import { connect, Node } from '../../index.js';

/** Ports that were free a moment ago. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve, reject) => {
          server.once('error', reject);
          server.listen(0, '127.0.0.1', () => {
            const address = server.address();
            if (address === null || typeof address === 'string') reject(new Error('no port'));
            else resolve(address.port);
          });
        }),
    ),
  );
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

export async function temporaryDirectory(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'loglog-test-'));
}

/** Waits until `condition` holds; fails with `what` if it never does. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  timeoutMs = 15_000,
): Promise<void> {
  const end = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`still waiting: ${what}`);
    await sleep(20);
  }
}

export type ClusterOptions = Partial<
  Omit<NodeOptions, 'id' | 'directory' | 'listen' | 'peers' | 'newCluster'>
>;

/** Nodes n1, n2, … in this process; each can be stopped and started again. */
export class TestCluster {
  readonly directory: string;
  readonly nodes = new Map<string, Node>();
  readonly #options: ReadonlyMap<string, NodeOptions>;
  readonly #clients: Client[] = [];

  private constructor(directory: string, options: ReadonlyMap<string, NodeOptions>) {
    this.directory = directory;
    this.#options = options;
  }

  static async start(count: number, options: ClusterOptions = {}): Promise<TestCluster> {
    const directory = await temporaryDirectory();
    const ports = await freePorts(2 * count);
    const ids = Array.from({ length: count }, (_, index) => `n${index + 1}`);
    const peers = Object.fromEntries(
      ids.map((id, index) => [id, `127.0.0.1:${ports[count + index]}`]),
    );
    const all = ids.map((id, index): [string, NodeOptions] => [
      id,
      {
        electionTimeoutMs: 400,
        ...options,
        id,
        directory: join(directory, id),
        listen: `127.0.0.1:${ports[index]}`,
        ...(count > 1 && { peers }),
      },
    ]);
    const cluster = new TestCluster(directory, new Map(all));
    await Promise.all(ids.map((id) => cluster.startNode(id, { newCluster: 'test' })));
    return cluster;
  }

  get addresses(): string[] {
    return [...this.#options.values()].map(({ listen }) => listen ?? '');
  }

  optionsOf(id: string): NodeOptions {
    const options = this.#options.get(id);
    if (options === undefined) throw new Error(`no node ${id}`);
    return options;
  }

  node(id: string): Node {
    const node = this.nodes.get(id);
    if (node === undefined) throw new Error(`${id} is not running`);
    return node;
  }

  async startNode(id: string, more: Partial<NodeOptions> = {}): Promise<Node> {
    const node = await Node.start({ ...this.optionsOf(id), ...more });
    this.nodes.set(id, node);
    return node;
  }

  async stopNode(id: string): Promise<void> {
    await this.node(id).stop();
    this.nodes.delete(id);
  }

  async client(addresses = this.addresses): Promise<Client> {
    const client = await connect(addresses);
    this.#clients.push(client);
    return client;
  }

  async leader(): Promise<Node> {
    let found: Node | undefined;
    await until('a leader', async () => {
      for (const node of this.nodes.values()) {
        if ((await node.status()).role === 'leader') found = node;
      }
      return found !== undefined;
    });
    return found as Node;
  }

  async followers(): Promise<Node[]> {
    const leader = await this.leader();
    return [...this.nodes.values()].filter((node) => node !== leader);
  }

  /** Waits until every running node has committed what the first to be asked has. */
  async settled(): Promise<void> {
    await until('equal commit offsets', async () => {
      const statuses = await Promise.all([...this.nodes.values()].map((node) => node.status()));
      const states = statuses.map(({ commitOffset, chain }) => `${commitOffset} ${chain}`);
      return new Set(states).size === 1;
    });
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close({ timeoutMs: 1000 })));
    await Promise.all([...this.nodes.values()].map((node) => node.stop()));
    await rm(this.directory, { recursive: true, force: true });
  }
}

/** Every byte that a node has committed, as pages of the limit given. */
export async function everything(client: Client, node: string, limit: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  const { end } = await client.end();
  for (let offset = 0; offset < end;) {
    const page = await client.readPage({ offset, limit, waitMs: 5000, node });
    parts.push(page.batches);
    offset = page.next;
  }
  return Buffer.concat(parts);
}
