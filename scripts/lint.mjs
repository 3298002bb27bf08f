// Checks formatting (prettier) and code (oxlint with types); says everything before it fails.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

function run(name, ...args) {
  const directory = join(root, 'node_modules', name);
  const { bin } = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'));
  const script = join(directory, typeof bin === 'string' ? bin : bin[name]);
  return spawnSync(process.execPath, [script, ...args], { cwd: root, stdio: 'inherit' }).status;
}

const statuses = [run('prettier', '--check', '.'), run('oxlint', '--type-aware')];
process.exit(statuses.every((status) => status === 0) ? 0 : 1);
