/** `node dist/test/checker/check.js FILE` prints what a history breaks; exits with 1 if anything. */
import { checkHistory } from './checker.js';
import { readHistory } from './history-file.js';

const violationsPrintedMax = 100;

const [path, ...others] = process.argv.slice(2);
if (path === undefined || others.length > 0) {
  console.error('usage: node dist/test/checker/check.js FILE');
  process.exitCode = 2;
} else {
  await check(path);
}

async function check(file: string): Promise<void> {
  try {
    const history = await readHistory(file);
    const violations = checkHistory(history);
    for (const { kind, message } of violations.slice(0, violationsPrintedMax)) {
      console.log(`${kind}: ${message}`);
    }
    const { operations, final } = history;
    const size = `${operations.length} operations, ${final.length} batches`;
    console.log(`${size}, ${violations.length} violations`);
    if (violations.length > 0) process.exitCode = 1;
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    process.exitCode = 2;
  }
}
