/** Nodes as processes of their own, started by the command line, to be killed and stopped. */
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Client, ClusterStatus } from '../../index.js';
import { connect } from '../../index.js';
import { freePorts, temporaryDirectory, until } from './cluster.js';

const command = fileURLToPath(new URL('../../cli/main.js', import.meta.url));

export class ProcessCluster {
  readonly directory: string;
  readonly ids: readonly string[];
  readonly addresses: readonly string[];
  readonly #peers: string;
  readonly #children = new Map<string, ChildProcess>();
  readonly #flags: readonly string[];
  readonly #nodeFlags: readonly string[];

  private constructor(
    directory: string,
    ports: readonly number[],
    flags: readonly string[],
    nodeFlags: readonly string[],
  ) {
    this.directory = directory;
    this.#flags = flags;
    this.#nodeFlags = nodeFlags;
    this.ids = ports.slice(0, ports.length / 2).map((_, index) => `n${index + 1}`);
    const address = (index: number) => `127.0.0.1:${ports[index]}`;
    this.addresses = this.ids.map((_, index) => address(index));
    this.#peers = this.ids.map((id, i) => `${id}=${address(this.ids.length + i)}`).join(',');
  }

  /** `flags` are those of `serve`, `nodeFlags` those of Node.js. */
  static async start(
    count: number,
    flags: readonly string[] = [],
    nodeFlags: readonly string[] = [],
  ): Promise<ProcessCluster> {
    const ports = await freePorts(2 * count);
    const cluster = new ProcessCluster(await temporaryDirectory(), ports, flags, nodeFlags);
    await Promise.all(cluster.ids.map((id) => cluster.start(id, ['--new-cluster', 'test'])));
    return cluster;
  }

  dataOf(id: string): string {
    return join(this.directory, id);
  }

  child(id: string): ChildProcess {
    const child = this.#children.get(id);
    if (child === undefined) throw new Error(`${id} is not running`);
    return child;
  }

  async start(id: string, flags: readonly string[] = []): Promise<void> {
    const listen = this.addresses[this.ids.indexOf(id)] ?? '';
    const peer = this.#peers.split(',').find((one) => one.startsWith(`${id}=`)) ?? '';
    const own = ['--id', id, '--data', this.dataOf(id), '--listen', listen];
    const links = ['--peer-listen', peer.slice(id.length + 1), '--peers', this.#peers];
    const serve = [command, 'serve', ...own, ...links, '--log-level', 'error'];
    const child = spawn(
      process.execPath,
      [...this.#nodeFlags, ...serve, ...this.#flags, ...flags],
      // With a channel to its parent a node stops when that has gone, as after a test's timeout.
      { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] },
    );
    this.#children.set(id, child);
    await until(`${id} to serve`, async () => {
      if (child.exitCode !== null) throw new Error(`${id} ended with ${child.exitCode}`);
      return (await reachable(listen)) !== undefined;
    });
  }

  async kill(ids: readonly string[], signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const children = ids.map((id) => this.child(id));
    const running = children.filter(
      ({ exitCode, signalCode }) => (exitCode ?? signalCode) === null,
    );
    const exits = running.map((child) => once(child, 'exit'));
    for (const child of running) child.kill(signal);
    await Promise.all(exits);
    for (const id of ids) this.#children.delete(id);
  }

  async status(client: Client): Promise<ClusterStatus> {
    return client.status({ timeoutMs: 2000 });
  }

  async leader(client: Client): Promise<string> {
    let leader: string | null = null;
    await until('a leader', async () => {
      ({ leader } = await this.status(client));
      return leader !== null;
    });
    return leader ?? '';
  }

  /** Waits until every node has committed the same. */
  async settled(client: Client): Promise<void> {
    await until('equal commit offsets', async () => {
      const { nodes } = await this.status(client);
      const states = nodes.map((node) =>
        node.reachable ? `${node.commitOffset} ${node.chain}` : `${node.id} is away`,
      );
      return states.length === this.ids.length && new Set(states).size === 1;
    });
  }

  /** Resident memory of a node's process, from the system. */
  async residentBytes(id: string): Promise<number> {
    const status = await readFile(`/proc/${this.child(id).pid}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
  }

  async close(): Promise<void> {
    for (const child of this.#children.values()) child.kill('SIGCONT');
    await this.kill([...this.#children.keys()]);
    await rm(this.directory, { recursive: true, force: true });
  }
}

async function reachable(address: string): Promise<true | undefined> {
  try {
    const client = await connect(address, { timeoutMs: 300 });
    await client.close();
    return true;
  } catch {
    return undefined; // it is asked again
  }
}
