// Compiles the project into an empty dist/: a stale dist would keep deleted tests alive.
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const tsc = join(
  dirname(createRequire(import.meta.url).resolve('typescript/package.json')),
  'bin',
  'tsc',
);
const run = (...args) =>
  execFileSync(process.execPath, [tsc, ...args], { cwd: root, stdio: 'inherit' });

rmSync(join(root, 'dist'), { recursive: true, force: true });
try {
  run('-p', '.');
  run('-p', 'server/raft'); // the pure core, compiled without Node's types: it cannot name the outside world
} catch {
  process.exit(1); // the compiler has said why
}
mkdirSync(join(root, 'dist', 'proto'), { recursive: true });
for (const name of readdirSync(join(root, 'proto')).filter((file) => file.endsWith('.proto'))) {
  copyFileSync(join(root, 'proto', name), join(root, 'dist', 'proto', name));
}
chmodSync(join(root, 'dist', 'cli', 'main.js'), 0o755);
