/** Servers of peers as child processes of this one, which ends them unless it is killed itself. */
import type { ChildProcess } from 'node:child_process';
import { execFile, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { clientPorts, freeBasePort, localHost } from '../../cli/ports.js';

const nodeCount = 3;
const readyTimeoutMs = 30_000;
const stopTimeoutMs = 5000;
const pollMs = 50;
const lastLinesMax = 5;

export interface ServerPlan {
  readonly id: string;
  /** Exists, and is empty. */
  readonly directory: string;
  readonly port: number;
  readonly peerPort: number;
}

/** Three servers on free ports of loopback, with directories of their own below `directory`. */
export async function planServers(directory: string): Promise<ServerPlan[]> {
  const ports = clientPorts(await freeBasePort(nodeCount), nodeCount);
  return ports.map((port, index) => {
    const id = `n${index + 1}`;
    const own = join(directory, id);
    mkdirSync(own);
    return { id, directory: own, port, peerPort: port + 1 };
  });
}

export function urlOf(port: number): string {
  return `http://${localHost}:${port}`;
}

export class ServerProcess {
  readonly #child: ChildProcess;
  readonly #logFile: string;
  readonly #ended: Promise<void>;
  readonly #kill = () => this.#child.kill('SIGKILL');
  #isStopping = false;
  #failure: Error | undefined;

  /** A process group of its own: Ctrl-C is for this process alone, which then stops the servers. */
  constructor(
    command: string,
    args: readonly string[],
    { id, directory }: Pick<ServerPlan, 'id' | 'directory'>,
  ) {
    this.#logFile = join(directory, 'log.txt');
    const log = openSync(this.#logFile, 'a');
    this.#child = spawn(command, args, {
      cwd: directory,
      detached: true,
      stdio: ['ignore', log, log],
    });
    closeSync(log);
    process.once('exit', this.#kill);
    this.#ended = new Promise((resolve) => {
      const end = (how: string) => {
        process.off('exit', this.#kill);
        if (!this.#isStopping) this.#failure = new Error(this.#describe(`${id}: ${how}`));
        resolve();
      };
      this.#child.once('error', (error) => end(error.message));
      this.#child.once('exit', (status, signal) => end(signal ?? `exit status ${status}`));
    });
  }

  /** Throws if the process has ended by itself. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  async kill(): Promise<void> {
    this.#isStopping = true;
    this.#kill();
    await this.#ended;
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#child.kill('SIGTERM');
    const timer = setTimeout(this.#kill, stopTimeoutMs);
    await this.#ended;
    clearTimeout(timer);
  }

  #describe(how: string): string {
    const lines = readFileSync(this.#logFile, 'utf8').trimEnd().split('\n').slice(-lastLinesMax);
    return [how, ...lines].join('\n');
  }
}

/** All of them, or none: what has started is killed when something fails before `ready`. */
export async function startServers<T>(
  servers: readonly ServerProcess[],
  ready: () => Promise<T>,
): Promise<T> {
  try {
    return await ready();
  } catch (error) {
    await killServers(servers);
    throw error;
  }
}

/** Their data is not needed any more, and etcd would not have stopped after five seconds. */
export async function killServers(servers: readonly ServerProcess[]): Promise<void> {
  await Promise.all(servers.map((server) => server.kill()));
}

/** Tries until it succeeds; the last failure says why it has not in time. */
export async function eventually<T>(
  servers: readonly ServerProcess[],
  attempt: () => Promise<T>,
): Promise<T> {
  const deadlineMs = performance.now() + readyTimeoutMs;
  for (;;) {
    for (const server of servers) server.check();
    try {
      return await attempt();
    } catch (error) {
      if (performance.now() > deadlineMs) throw error;
    }
    await sleep(pollMs);
  }
}

/** The first line that `command` prints, or undefined if it is not installed. */
export async function versionOf(
  command: string,
  args: readonly string[],
): Promise<string | undefined> {
  try {
    const { stdout, stderr } = await promisify(execFile)(command, [...args]);
    return (stdout === '' ? stderr : stdout).split('\n')[0]?.trim();
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
