/** Runs the real command, as a shell would. */
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { mainFile } from '../../cli/processes.js';

export interface CommandResult {
  /** Null if a signal ended it. */
  readonly status: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

export interface CommandOptions {
  readonly input?: string | Buffer;
  readonly cluster?: readonly string[];
}

export function startCommand(
  args: readonly string[],
  { cluster }: CommandOptions = {},
): ChildProcessWithoutNullStreams {
  const env = { ...process.env };
  delete env['LOGLOG_CLUSTER'];
  if (cluster !== undefined) env['LOGLOG_CLUSTER'] = cluster.join(',');
  return spawn(process.execPath, [mainFile, ...args], { env, stdio: 'pipe' });
}

export async function runCommand(
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const child = startCommand(args, options);
  // A command that does not read its input may be gone before it is written.
  child.stdin.on('error', () => {});
  child.stdin.end(options.input ?? '');
  return resultOf(child);
}

export async function resultOf(child: ChildProcessWithoutNullStreams): Promise<CommandResult> {
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
  const status = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { status, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr).toString() };
}

/** The lines of a text that ends with a newline. */
export function linesOf({ stdout }: CommandResult): string[] {
  return stdout.toString().split('\n').slice(0, -1);
}

/** What a running command prints, to wait for. */
export class Printed {
  readonly lines: string[] = [];
  readonly #onLine = new Set<() => void>();

  constructor(child: ChildProcessWithoutNullStreams) {
    createInterface({ input: child.stdout }).on('line', (line) => {
      this.lines.push(line);
      for (const call of this.#onLine) call();
    });
  }

  /** Resolves with the match of the first line, from line `from` on, that fits. */
  async match(pattern: RegExp, from = 0): Promise<RegExpExecArray> {
    for (;;) {
      for (const line of this.lines.slice(from)) {
        const match = pattern.exec(line);
        if (match !== null) return match;
      }
      await new Promise<void>((resolve) => {
        const call = () => {
          this.#onLine.delete(call);
          resolve();
        };
        this.#onLine.add(call);
      });
    }
  }
}
