/** LogLog as anybody starts it, with as many nodes as wanted, each of which can be started again. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { hasLeader } from '../../../cli/dev.js';
import { untilStatus } from '../../../cli/local-cluster.js';
import { freeBasePort } from '../../../cli/ports.js';
import type { NodePlan } from '../../../cli/processes.js';
import { mainFile, planNodes, serveArguments } from '../../../cli/processes.js';
import type { Client, ClusterStatus, ReachableNode } from '../../../index.js';
import { connect } from '../../../index.js';
import { eventually, killServers, ServerProcess, startServers } from '../servers.js';

const waitTimeoutMs = 60_000;
const pollMs = 10;

export class ScaleCluster {
  readonly client: Client;
  readonly #plans: readonly NodePlan[];
  readonly #servers: Map<string, ServerProcess>;
  readonly #logs: string;

  private constructor(
    client: Client,
    plans: readonly NodePlan[],
    servers: Map<string, ServerProcess>,
    logs: string,
  ) {
    this.client = client;
    this.#plans = plans;
    this.#servers = servers;
    this.#logs = logs;
  }

  /** An empty one; `flags` are further ones of `serve`. */
  static async start(
    directory: string,
    count: number,
    flags: readonly string[] = [],
  ): Promise<ScaleCluster> {
    const plans = planNodes(directory, await freeBasePort(count), count);
    const logs = join(directory, 'logs');
    mkdirSync(logs, { recursive: true });
    const creation = ['--new-cluster', 'bench-scale', ...flags];
    const servers = new Map(plans.map((plan) => [plan.id, serve(plan, plans, logs, creation)]));
    const processes = [...servers.values()];
    const addresses = plans.map(({ address }) => address);
    const client = await startServers(processes, async () => {
      const connected = await eventually(processes, () => connect(addresses));
      const what = 'a cluster of which every node serves';
      await untilStatus(connected, isWhole, { timeoutMs: waitTimeoutMs, what });
      return connected;
    });
    return new ScaleCluster(client, plans, servers, logs);
  }

  /** Milliseconds from the start of a node that has been stopped until it has all that is committed. */
  async restart(id: string, how: 'stopped' | 'killed'): Promise<number> {
    const plan = this.#plans.find((node) => node.id === id);
    if (plan === undefined) throw new Error(`there is no node ${id}`);
    const server = this.#servers.get(id);
    if (how === 'killed') await server?.kill();
    else await server?.stop();
    const { end } = await this.client.end();
    const beganMs = performance.now();
    this.#servers.set(id, serve(plan, this.#plans, this.#logs, []));
    await this.#until((nodes) => nodes.some((node) => node.id === id && node.commitOffset >= end));
    return performance.now() - beganMs;
  }

  async status(): Promise<readonly ReachableNode[]> {
    const { nodes } = await this.client.status();
    return nodes.filter((node) => node.reachable);
  }

  async stop(): Promise<void> {
    try {
      await this.client.close({ timeoutMs: 1 });
    } finally {
      await killServers([...this.#servers.values()]);
    }
  }

  async #until(isWanted: (nodes: readonly ReachableNode[]) => boolean): Promise<void> {
    const deadlineMs = performance.now() + waitTimeoutMs;
    while (!isWanted(await this.status())) {
      for (const server of this.#servers.values()) server.check();
      if (performance.now() > deadlineMs) throw new Error('a node has not caught up in time');
      await sleep(pollMs);
    }
  }
}

function serve(
  plan: NodePlan,
  plans: readonly NodePlan[],
  logs: string,
  more: readonly string[],
): ServerProcess {
  const args = [mainFile, ...serveArguments(plan, plans), '--log-level', 'error', ...more];
  const directory = join(logs, plan.id);
  mkdirSync(directory, { recursive: true });
  return new ServerProcess(process.execPath, args, { id: plan.id, directory });
}

function isWhole(status: ClusterStatus): boolean {
  return hasLeader(status) && status.nodes.every(({ reachable }) => reachable);
}
