/** The command line pointed at one cluster. */
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import type { CommandResult } from './command.js';
import { linesOf, runCommand, startCommand } from './command.js';

type Input = string | Buffer;

export interface Refusal {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class Shell {
  readonly #cluster: readonly string[];

  constructor(cluster: readonly string[]) {
    this.#cluster = cluster;
  }

  start(args: readonly string[]): ChildProcessWithoutNullStreams {
    return startCommand(args, { cluster: this.#cluster });
  }

  /** Throws unless the command is done. */
  async done(args: readonly string[], input: Input = ''): Promise<CommandResult> {
    const result = await runCommand(args, { cluster: this.#cluster, input });
    if (result.status === 0) return result;
    throw new Error(`${args.join(' ')} exited with ${result.status}: ${result.stderr}`);
  }

  async refused(args: readonly string[], input: Input = ''): Promise<Refusal> {
    const { status, stdout, stderr } = await runCommand(args, { cluster: this.#cluster, input });
    return { status, stdout: stdout.toString(), stderr };
  }

  async lines(...args: readonly string[]): Promise<string[]> {
    return linesOf(await this.done(args));
  }

  /** The offsets of what was appended. */
  async append(args: readonly string[], input: Input): Promise<number[]> {
    return linesOf(await this.done(['append', ...args], input)).map(Number);
  }

  async end(): Promise<number> {
    return Number((await this.lines('end'))[0]);
  }

  /** The bytes of the entries from an offset on. */
  async bytesFrom(offset: number | undefined): Promise<Buffer> {
    return (await this.done(['cat', '--from', String(offset)])).stdout;
  }
}
