// Runs the tests of the consensus core and demands that they take every branch of it.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const c8 = createRequire(import.meta.url).resolve('c8/bin/c8.js');
const tests = join(root, 'dist', 'test', 'raft');
const temporary = mkdtempSync(join(tmpdir(), 'loglog-coverage-'));

function run(...args) {
  const { status } = spawnSync(process.execPath, args, {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, NODE_V8_COVERAGE: join(temporary, 'v8') },
  });
  return status === 0;
}

const failed = readdirSync(tests)
  .filter((name) => name.endsWith('.test.js'))
  .filter((name) => !run(join(tests, name)));
for (const name of failed) console.error(`${name} failed`);

const options = [
  ...['--temp-directory', join(temporary, 'v8'), '--reports-dir', temporary],
  ...['--exclude-after-remap', '--include', 'server/raft/*.ts', '--exclude', 'none'],
  ...['--check-coverage', '--branches', '100', '--lines', '100', '--reporter', 'text'],
];
const report = spawnSync(process.execPath, [c8, 'report', ...options], {
  cwd: root,
  stdio: 'inherit',
});
rmSync(temporary, { recursive: true });
process.exit(failed.length === 0 && report.status === 0 ? 0 : 1);
