// Makes a fresh clone ready to run: installs what is missing and builds what is stale.
import { spawnSync } from 'node:child_process';
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import zlib from 'node:zlib';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const sources = ['index.ts', 'proto', 'server', 'client', 'cli', 'test'];
const settings = ['package.json', 'tsconfig.json', join('scripts', 'build.mjs')];

/** Milliseconds since 1970; 0 for what does not exist. */
function changedMs(path) {
  return statSync(join(root, path), { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

/** The latest change in a file or below a directory; the directories show what was deleted. */
function newestMs(path) {
  const stat = statSync(join(root, path), { throwIfNoEntry: false });
  if (stat === undefined) return 0;
  if (!stat.isDirectory()) return stat.mtimeMs;
  const inside = readdirSync(join(root, path)).map((name) => newestMs(join(path, name)));
  return Math.max(stat.mtimeMs, ...inside);
}

function fail(message) {
  console.error(message);
  process.exit(1);
}

/** By what the oldest of them lack, so that nothing has to be installed to compare versions. */
function checkNode() {
  if ('crc32' in zlib) return;
  const { engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  fail(`LogLog needs Node.js ${engines.node}; this is ${process.versions.node}.`);
}

function install() {
  console.error('Installing packages (npm ci) ...');
  const npm = spawnSync('npm', ['ci', '--include=dev'], {
    cwd: root,
    encoding: 'utf8',
    shell: process.platform === 'win32', // npm is a .cmd file there
  });
  if (npm.status !== 0) fail(`${npm.stdout ?? ''}${npm.stderr ?? npm.error}\nnpm ci failed.`);
}

function build() {
  console.error('Building ...');
  const built = spawnSync(process.execPath, [join(root, 'scripts', 'build.mjs')], {
    stdio: 'inherit',
  });
  if (built.status !== 0) process.exit(1);
}

checkNode();
// npm writes the first file last when it installs.
const installedMs = changedMs(join('node_modules', '.package-lock.json'));
if (installedMs < changedMs('package-lock.json')) install();
// A build copies this file when everything has compiled, so a failed one is not taken for done.
const builtMs = changedMs(join('dist', 'proto', 'loglog.proto'));
if (builtMs <= Math.max(...[...sources, ...settings].map(newestMs))) build();
