/** A cluster on this machine, each node a process of its own. */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client, ClusterStatus } from '../index.js';
import { LogLogError } from '../proto/errors.js';
import type { LogLevel } from './options.js';
import type { NodePlan } from './processes.js';
import { hasBegun, NodeProcess, planNodes } from './processes.js';

/** How long a node may take to answer when a cluster is watched. */
const answerTimeoutMs = 1000;
const pollMs = 200;

export interface LocalClusterOptions {
  readonly directory: string;
  readonly basePort: number;
  readonly count: number;
  /** How the names of clusters made here begin. */
  readonly name: string;
  readonly logLevel: LogLevel;
}

export class LocalCluster {
  readonly nodes: readonly NodePlan[];
  /** As they were started, by id; a node that is started again replaces its predecessor. */
  readonly processes = new Map<string, NodeProcess>();
  readonly #options: LocalClusterOptions;

  constructor(options: LocalClusterOptions) {
    this.#options = options;
    this.nodes = planNodes(options.directory, options.basePort, options.count);
  }

  get addresses(): string[] {
    return this.nodes.map(({ address }) => address);
  }

  /**
   * Resolves when every node serves. The cluster begins only if none of its nodes ever has: one
   * that has lost its directory must not vote as if it had lost nothing.
   */
  async start(): Promise<void> {
    // A name of its own, or the data of two such clusters could be mixed up unnoticed.
    const name = `${this.#options.name}-${randomBytes(4).toString('hex')}`;
    const newCluster = this.nodes.some(hasBegun) ? undefined : name;
    const started = this.nodes.map((node) => this.#launch(node, newCluster));
    await Promise.all(started.map((node) => node.serving()));
  }

  /** Starts a node that has ended. */
  async restart(id: string): Promise<NodeProcess> {
    const plan = this.nodes.find((node) => node.id === id);
    if (plan === undefined) throw new LogLogError('UNKNOWN_NODE', `there is no node ${id}`);
    const node = this.#launch(plan, undefined);
    await node.serving();
    return node;
  }

  async stop(): Promise<void> {
    await Promise.all([...this.processes.values()].map((node) => node.stop()));
  }

  /** Without waiting for anything. */
  kill(): void {
    for (const node of this.processes.values()) node.signal('SIGKILL');
  }

  #launch(plan: NodePlan, newCluster: string | undefined): NodeProcess {
    const { logLevel } = this.#options;
    const node = new NodeProcess(plan, { nodes: this.nodes, newCluster, logLevel });
    this.processes.set(plan.id, node);
    return node;
  }
}

/** Asks until the status is as wanted. Throws DEADLINE, or when the signal is aborted. */
export async function untilStatus(
  client: Client,
  isWanted: (status: ClusterStatus) => boolean,
  { timeoutMs, what, signal }: { timeoutMs: number; what: string; signal?: AbortSignal },
): Promise<ClusterStatus> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    signal?.throwIfAborted();
    const status = await client.status({ timeoutMs: answerTimeoutMs });
    if (isWanted(status)) return status;
    if (performance.now() > deadline) {
      throw new LogLogError('DEADLINE', `${what} has not happened within ${timeoutMs} ms`);
    }
    await sleep(pollMs);
  }
}
