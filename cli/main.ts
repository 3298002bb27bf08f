#!/usr/bin/env node
/** The command line. Every command is a file of its own; here is what they have in common. */
import { Command, CommanderError } from 'commander';
import { readFileSync } from 'node:fs';
import { LogLogError } from '../proto/errors.js';
import { appendCommand } from './append.js';
import { benchCommand } from './bench.js';
import { catCommand } from './cat.js';
import { devCommand } from './dev.js';
import { endCommand } from './end.js';
import { exitCodeOf, exitCodes } from './exit.js';
import { tuneV8 } from './v8.js';
import { reportError } from './output.js';
import { serveCommand } from './serve.js';
import { statusCommand } from './status.js';
import { tailCommand } from './tail.js';
import { transferCommand } from './transfer.js';
import { verifyCommand } from './verify.js';

const commands = [
  devCommand,
  serveCommand,
  appendCommand,
  tailCommand,
  catCommand,
  endCommand,
  statusCommand,
  transferCommand,
  verifyCommand,
  benchCommand,
];

const exitHelp = `
Exit status: 0 done, 1 failed, 2 usage, 3 unavailable, 4 deadline, 5 outcome unknown,
6 conflict, 7 denied, 8 trimmed.`;

function createProgram(): Command {
  const program = new Command('loglog')
    .description('A replicated, strongly ordered, append-only log of bytes.')
    .version(packageVersion())
    .exitOverride()
    // Errors are reported in one place, in one form.
    .configureOutput({ outputError: () => undefined })
    .addHelpText('after', exitHelp);
  for (const create of commands) {
    const command = create().copyInheritedSettings(program);
    for (const part of command.commands) part.copyInheritedSettings(program);
    program.addCommand(command);
  }
  return program;
}

/** Returns the exit status. */
async function main(args: readonly string[]): Promise<number> {
  try {
    await createProgram().parseAsync(args, { from: 'user' });
    return exitCodes.done;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return exitCodes.done;
    const known = error instanceof CommanderError ? usageError(error) : error;
    reportError(known, args.includes('--json'));
    return exitCodeOf(known);
  }
}

/** Of the package.json beside dist/, where this file is dist/cli/main.js. */
function packageVersion(): string {
  const file = new URL('../../package.json', import.meta.url);
  const { version } = JSON.parse(readFileSync(file, 'utf8')) as { version: string };
  return version;
}

function usageError({ code, message }: CommanderError): LogLogError {
  const text =
    code === 'commander.help'
      ? 'a command is missing: loglog --help'
      : message.replace(/^error: /, '');
  return new LogLogError('CONFIG_INVALID', text);
}

tuneV8();
// Nothing that is left open keeps the process: whatever had to be closed is.
process.exit(await main(process.argv.slice(2)));
