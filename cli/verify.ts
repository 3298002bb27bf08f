/** `loglog verify`: checks the data directory of a node that does not run. */
import { Command } from 'commander';
import { access } from 'node:fs/promises';
import type { VerifyReport } from '../index.js';
import { verifyDirectory } from '../index.js';
import { LogLogError } from '../proto/errors.js';
import type { JsonOption } from './options.js';
import { jsonOption, timeoutOption } from './options.js';
import { Output } from './output.js';
import type { Progress } from './progress.js';
import { startProgress } from './progress.js';
import { withinDeadline } from './session.js';

interface VerifyCommandOptions extends JsonOption {
  readonly timeout?: number;
}

export function verifyCommand(): Command {
  return new Command('verify')
    .description('check every segment, every checksum and the chain of a data directory')
    .argument('<directory>', 'the data directory of a node that does not run')
    .addOption(jsonOption())
    .addOption(timeoutOption('not done after this long'))
    .action(async (directory: string, options: VerifyCommandOptions) => {
      await access(directory);
      const report = await withinDeadline(options.timeout, (signal) =>
        verifyWithProgress(directory, signal),
      );
      const output = new Output(process.stdout);
      if (options.json) await output.line(JSON.stringify(report));
      else for (const line of reportLines(directory, report)) await output.line(line);
      await output.flush();
      if (!report.ok) {
        const count = report.problems.length;
        const problems = count === 1 ? '1 problem' : `${count} problems`;
        throw new LogLogError('DATA_CORRUPT', `${directory} has ${problems}`);
      }
    });
}

async function verifyWithProgress(directory: string, signal: AbortSignal): Promise<VerifyReport> {
  let progress: Progress | undefined;
  try {
    return await verifyDirectory(
      directory,
      (doneBytes, totalBytes) => {
        progress ??= startProgress('verifying', totalBytes);
        progress.update(doneBytes);
      },
      signal,
    );
  } finally {
    progress?.stop();
  }
}

function reportLines(directory: string, report: VerifyReport): string[] {
  const { nodeId, clusterId, segments, bytes, batches, entries, endOffset, chain } = report;
  return [
    `${directory}: ${nodeId ?? 'unknown node'} of cluster ${clusterId ?? 'unknown'}`,
    `segments: ${segments}, bytes: ${bytes}, batches: ${batches}, entries: ${entries}`,
    `ends at ${endOffset} with chain ${chain}`,
    ...report.notes.map((note) => `note: ${note}`),
    ...report.problems.map(
      ({ file, offset, reason }) => `problem: ${file} at offset ${offset}: ${reason}`,
    ),
    ...(report.ok ? ['all is well'] : []),
  ];
}
