/**
 * `node dist/test/checker/check.js FILE` prints what a history breaks; exits with 1 if anything, and
 * with 2 if there is no history.
 */
import { Command } from 'commander';
import { checkHistory } from './checker.js';
import { readHistory } from './history-file.js';

const violationsPrintedMax = 100;

const command = new Command('check')
  .description('prints what a history breaks')
  .argument('<file>', 'the history, as the nemesis keeps it')
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2))
  .action(check);

async function check(file: string): Promise<void> {
  try {
    const history = await readHistory(file);
    const { operations, final } = history;
    if (operations.length + final.length === 0) throw new Error(`${file} is empty`);
    const violations = checkHistory(history);
    for (const { kind, message } of violations.slice(0, violationsPrintedMax)) {
      console.log(`${kind}: ${message}`);
    }
    const size = `${operations.length} operations, ${final.length} batches`;
    console.log(`${size}, ${violations.length} violations`);
    if (violations.length > 0) process.exitCode = 1;
  } catch (error) {
    command.error(`error: ${error instanceof Error ? error.message : String(error)}`);
  }
}

await command.parseAsync();
