/** Nodes as child processes on this machine, each a `loglog serve` of its own. */
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { assert, LogLogError } from '../proto/errors.js';
import type { LogLevel } from './options.js';
import { clientPorts, localHost } from './ports.js';
import type { SupervisorMessage } from './supervision.js';

export const mainFile = fileURLToPath(new URL('main.js', import.meta.url));

/** A node asked to stop does so in 5 s; then it is not asked any more. */
const stopTimeoutMs = 6000;

export interface NodePlan {
  readonly id: string;
  readonly directory: string;
  /** Where it serves clients. */
  readonly address: string;
  readonly peerAddress: string;
}

/** Nodes n1, n2, … with their data below `directory`. */
export function planNodes(directory: string, basePort: number, count: number): NodePlan[] {
  return clientPorts(basePort, count).map((port, index) => {
    const id = `n${index + 1}`;
    return {
      id,
      directory: join(directory, id),
      address: `${localHost}:${port}`,
      peerAddress: `${localHost}:${port + 1}`,
    };
  });
}

/** Whether the node has been part of a cluster: docs/FORMAT.md, "Identity". */
export function hasBegun({ directory }: NodePlan): boolean {
  return existsSync(join(directory, 'identity'));
}

/** The arguments of the `serve` command that starts a node which has been part of the cluster. */
export function serveArguments(node: NodePlan, nodes: readonly NodePlan[]): string[] {
  const peers = nodes.map(({ id, peerAddress }) => `${id}=${peerAddress}`).join(',');
  return [
    ...['serve', '--id', node.id, '--data', node.directory, '--listen', node.address],
    ...(nodes.length === 1 ? [] : ['--peer-listen', node.peerAddress, '--peers', peers]),
  ];
}

/** A command line of this program that a shell takes as it is. */
export function commandLine(args: readonly string[]): string {
  const quoted = [process.execPath, mainFile, ...args].map((word) =>
    /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`,
  );
  return quoted.join(' ');
}

export interface NodeProcessOptions {
  readonly nodes: readonly NodePlan[];
  /** Begins a cluster of this name; for empty directories only. */
  readonly newCluster: string | undefined;
  readonly logLevel: LogLevel;
}

export class NodeProcess {
  readonly plan: NodePlan;
  readonly processId: number;
  /** Resolves with how the process ended: `exit status 1`, `SIGKILL`. */
  readonly ended: Promise<string>;
  readonly #child: ChildProcess;
  readonly #serving: Promise<void>;

  constructor(plan: NodePlan, { nodes, newCluster, logLevel }: NodeProcessOptions) {
    const creation = newCluster === undefined ? [] : ['--new-cluster', newCluster];
    const args = [...serveArguments(plan, nodes), '--log-level', logLevel, ...creation];
    // A process group of its own: Ctrl-C is for the parent, which then stops the nodes in order.
    this.#child = spawn(process.execPath, [mainFile, ...args], {
      detached: true,
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    const { pid } = this.#child;
    assert(pid !== undefined, 'this program can start itself');
    this.plan = plan;
    this.processId = pid;
    this.ended = new Promise((resolve) => {
      this.#child.once('exit', (status, signal) => resolve(signal ?? `exit status ${status}`));
    });
    this.#serving = new Promise((resolve) => {
      this.#child.on('message', (message: SupervisorMessage) => {
        if (message.type === 'serving') resolve();
      });
    });
  }

  /** Resolves once the node serves clients. Throws if it ends instead; stderr has said why. */
  async serving(): Promise<void> {
    const early = await Promise.race([this.#serving, this.ended]);
    if (early !== undefined) {
      throw new LogLogError('UNAVAILABLE', `${this.plan.id} did not start: ${early}`);
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Resolves when the process has ended: by itself, or killed when that takes too long. */
  async stop(): Promise<void> {
    this.signal('SIGTERM');
    const timer = setTimeout(() => this.signal('SIGKILL'), stopTimeoutMs);
    await this.ended;
    clearTimeout(timer);
  }
}
