/** One `loglog serve` process and how it ended. */
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { mainFile } from '../../cli/processes.js';
import type { SupervisorMessage } from '../../cli/supervision.js';

export interface ProcessEnd {
  /** `exit status 1`, `SIGKILL`. */
  readonly how: string;
  /** Nobody here asked for it. */
  readonly isUnexpected: boolean;
  /** The last lines that it logged. */
  readonly lastLines: readonly string[];
}

const lastLinesMax = 8;

export class NodeProcess {
  readonly ended: Promise<ProcessEnd>;
  readonly #child: ChildProcess;
  readonly #serving: Promise<void>;
  #isExpectedToEnd = false;
  #isKilled = false;
  #paused: ChildProcess | undefined;

  /** What it logs is added to `logFile`. */
  constructor(args: readonly string[], logFile: string) {
    const log = openSync(logFile, 'a');
    // Its own process group: a Ctrl-C is for this process alone, which then ends the node. If this
    // process is killed the IPC channel closes, and the node ends by itself.
    this.#child = spawn(process.execPath, [mainFile, ...args], {
      detached: true,
      stdio: ['ignore', 'ignore', log, 'ipc'],
    });
    closeSync(log);
    this.#serving = new Promise((resolve) => {
      this.#child.on('message', (message: SupervisorMessage) => {
        if (message.type === 'serving') resolve();
      });
    });
    this.ended = new Promise((resolve) => {
      this.#child.once('exit', (status, signal) => {
        const how = signal ?? `exit status ${status}`;
        const isUnexpected = !this.#isExpectedToEnd;
        resolve({ how, isUnexpected, lastLines: lastLinesOf(logFile) });
      });
    });
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Somebody has asked it to end. */
  get isEnding(): boolean {
    return this.#isExpectedToEnd;
  }

  /** Somebody has killed it, perhaps while it was stopping. */
  get isKilled(): boolean {
    return this.#isKilled;
  }

  /** Resolves once it serves clients, or with how it ended before that. */
  async serving(): Promise<ProcessEnd | undefined> {
    return (await Promise.race([this.#serving, this.ended])) ?? undefined;
  }

  async kill(): Promise<ProcessEnd> {
    return this.end('SIGKILL');
  }

  /** Resolves when it has ended. */
  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<ProcessEnd> {
    this.#isExpectedToEnd = true;
    this.#isKilled ||= signal === 'SIGKILL';
    this.resume();
    if (this.isRunning) this.#child.kill(signal);
    return this.ended;
  }

  /** SIGSTOP until `resume`, or until this process ends, however it does. */
  pause(): void {
    if (!this.isRunning || this.#paused !== undefined) return;
    const script = `kill -STOP ${this.#child.pid}; read -r line; kill -CONT ${this.#child.pid}`;
    this.#paused = spawn('sh', ['-c', script], { stdio: ['pipe', 'ignore', 'ignore'] });
  }

  resume(): void {
    this.#paused?.stdin?.end();
    this.#paused = undefined;
    // The process behind the pipe may be slower than what comes next.
    if (this.isRunning) this.#child.kill('SIGCONT');
  }

  /** For an exit handler: at once, and without waiting. */
  abandon(): void {
    this.#isExpectedToEnd = true;
    if (this.isRunning) this.#child.kill('SIGKILL');
  }
}

function lastLinesOf(logFile: string): string[] {
  const lines = readFileSync(logFile, 'utf8').trimEnd().split('\n');
  return lines.slice(-lastLinesMax);
}
