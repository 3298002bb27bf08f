/** The package as a stranger gets it: packed, installed into an empty folder, the README run. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { readText, repositoryRoot } from './repository.js';
import { runSnippet, snippetsIn } from './snippets.js';

const snippetTimeoutMs = 30_000;
const run = promisify(execFile);

interface Packed {
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
}

async function pack(into: string): Promise<Packed> {
  // What `dist` holds has been built by what runs the tests.
  const args = ['pack', '--ignore-scripts', '--json', '--pack-destination', into];
  const { stdout } = await run('npm', args, { cwd: repositoryRoot });
  const [packed] = JSON.parse(stdout) as Packed[];
  if (packed === undefined) throw new Error(`npm pack says ${stdout}`);
  return packed;
}

t.test('the packed package installs, and the README is true of it', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'loglog-package-'));
  t.teardown(() => rm(directory, { recursive: true, force: true }));

  const packed = await pack(directory);
  const paths = packed.files.map(({ path }) => path);
  for (const needed of [
    'LICENSE',
    'README.md',
    'dist/index.js',
    'dist/index.d.ts',
    'dist/cli/main.js',
    'dist/proto/loglog.proto',
    'docs/PROTOCOL.md',
  ]) {
    t.ok(paths.includes(needed), `${needed} is packed`);
  }
  const strays = paths.filter((path) => /^(dist\/test|test|proto|server|client|cli)\//.test(path));
  t.same(strays, [], 'neither tests nor sources are');

  await writeFile(join(directory, 'package.json'), '{ "private": true }\n');
  const install = ['install', '--prefer-offline', '--no-audit', '--no-fund'];
  await run('npm', [...install, join(directory, packed.filename)], { cwd: directory });

  const snippets = snippetsIn(readText('README.md'));
  t.ok(snippets.length >= 2, 'the README has at least two blocks that run');
  for (const snippet of snippets) {
    const result = await runSnippet(snippet, directory, snippetTimeoutMs);
    const name = `${snippet.language}: ${snippet.code.split('\n', 1).join('')} ...`;
    t.equal(result.exitCode, 0, name, { result });
    if (snippet.output !== undefined) t.equal(result.stdout, snippet.output, `${name} prints it`);
  }
});
