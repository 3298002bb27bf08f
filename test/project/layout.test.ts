/** The shape of the house: who may import whom, and what no source file may hold. */
import t from 'tap';
import type { Import } from './imports.js';
import {
  codeOf,
  cycles,
  danglingImports,
  entryFiles,
  importGraph,
  importsIn,
  reachable,
  sourceFiles,
} from './imports.js';
import { filesBelow, readText } from './repository.js';

/** The first line that fits a file says what it may import; nothing else may import anything. */
const directions: readonly (readonly [of: RegExp, mayImport: RegExp])[] = [
  [/^proto\//, /^proto\//],
  [/^server\/raft\//, /^server\/raft\//],
  [/^server\/log\//, /^(proto|server\/log)\//],
  [/^server\/uploads\//, /^(proto|server\/uploads)\//],
  [/^server\/rpc\//, /^(proto\/|server\/rpc\/|server\/(peers|logger)\.ts$)/],
  [/^server\/[^/]+$/, /^(proto|server)\//],
  [/^client\//, /^(proto|client)\//],
  [/^cli\//, /^(cli\/|client\/|proto\/|server\/index\.ts$|index\.ts$)/],
  [/^index\.ts$/, /^(proto|server|client)\//],
];
/** The words that nodes share; a type holds nothing at run time, so the layers stay apart. */
const sharedTypes = 'server/raft/types.ts';

function allowed(path: string, { own, target, typeOnly }: Import): boolean {
  if (!own) return !path.startsWith('server/raft/');
  if (path.startsWith('server/') && target === sharedTypes && typeOnly) return true;
  const direction = directions.find(([of]) => of.test(path));
  return direction !== undefined && direction[1].test(target);
}

function forbiddenImports(graph: ReadonlyMap<string, readonly Import[]>): string[] {
  return [...graph].flatMap(([path, imports]) =>
    imports.filter((each) => !allowed(path, each)).map(({ target }) => `${path} -> ${target}`),
  );
}

/** These touch the world, or choose who does; a simulator takes their place. */
const worldly = [
  'proto/system.ts',
  'server/log/system-disk.ts',
  'server/node.ts',
  'server/index.ts',
  'server/rpc/',
  'client/connect.ts',
  'client/grpc-transport.ts',
  'client/index.ts',
];
const worldlyWords =
  /\bDate\.now\b|\bnew Date\(\)|\bMath\.random\b|\bperformance\b|\bset(Timeout|Interval|Immediate)\(|\bprocess\.|\brandom(Bytes|Int|UUID|FillSync|Fill)\b|from 'node:(fs|net|http2?|timers|child_process|worker_threads|os|dns)\b/;

function isDeterministic(path: string): boolean {
  const inside = /^(proto|server|client)\//.test(path);
  return inside && !worldly.some((exception) => path.startsWith(exception));
}

/** Lines, with their place, that match. */
function linesWith(path: string, text: string, pattern: RegExp): string[] {
  return text
    .split('\n')
    .flatMap((line, i) => (pattern.test(line) ? [`${path}:${i + 1}: ${line.trim()}`] : []));
}

t.test('the entries are there and every import finds its file', async (t) => {
  const graph = importGraph();
  for (const entry of entryFiles) t.ok(graph.has(entry), entry);
  t.same(danglingImports(graph), []);
});

t.test('imports go only where the table allows', async (t) => {
  t.same(forbiddenImports(importGraph()), []);
});

t.test('no file imports itself by way of others', async (t) => {
  t.same(cycles(importGraph()), []);
});

t.test('every source file is reached from an entry', async (t) => {
  const graph = importGraph();
  const alive = reachable(graph, entryFiles);
  t.same(
    [...graph.keys()].filter((path) => !alive.has(path)),
    [],
  );
});

t.test('what a simulator runs names no clock, chance, file or socket', async (t) => {
  const found = sourceFiles()
    .filter(isDeterministic)
    .flatMap((path) => linesWith(path, codeOf(readText(path)), worldlyWords));
  t.same(found, []);
});

t.test('nor does it import what does', async (t) => {
  const found = [...importGraph()]
    .filter(([path]) => isDeterministic(path))
    .flatMap(([path, imports]) =>
      imports
        .filter(({ own, typeOnly }) => own && !typeOnly)
        .filter(({ target }) => !isDeterministic(target))
        .map(({ target }) => `${path} -> ${target}`),
    );
  t.same(found, []);
});

t.test('no file is longer than 400 lines, no line is left for later', async (t) => {
  // In two parts, so that this file does not find itself.
  const words = ['TO' + 'DO', 'FIX' + 'ME', 'X' + 'XX'].map((word) => `\\b${word}\\b`);
  const marks = ['@ts-' + 'ignore', 'lint-' + 'disable', 'as ' + 'any\\b', '\\.on' + 'ly\\('];
  const pattern = new RegExp([...words, ...marks].join('|'));
  const files = [...sourceFiles(), ...filesBelow('test', '.ts'), ...filesBelow('scripts', '.mjs')];
  for (const path of files) {
    const text = readText(path);
    t.ok(text.split('\n').length <= 401, `${path} has at most 400 lines`);
    t.same(linesWith(path, text, pattern), [], path);
  }
});

t.test('the rules above find what they look for', async (t) => {
  const graph = (files: Record<string, string>): Map<string, Import[]> =>
    new Map(Object.entries(files).map(([path, text]) => [path, importsIn(path, text)]));
  t.same(
    forbiddenImports(
      graph({
        'server/raft/a.ts': "import x from 'ws';\nimport type { B } from './b.js';",
        'server/log/a.ts': "import {\n  x,\n} from '../raft/types.js';\nimport '../uploads/b.js';",
        'server/rpc/a.ts': "import type { T } from '../raft/types.js';\nimport '../node.js';",
        'proto/a.ts': "export * from '../client/a.js';",
        'client/a.ts': "const x = await import('../server/log/a.js');",
        'cli/a.ts':
          "// import '../server/node.js';\nimport { type A, b } from '../server/node.js';",
        'other/a.ts': "import '../proto/a.js';",
      }),
    ),
    [
      'server/raft/a.ts -> ws',
      'server/log/a.ts -> server/raft/types.ts',
      'server/log/a.ts -> server/uploads/b.ts',
      'server/rpc/a.ts -> server/node.ts',
      'proto/a.ts -> client/a.ts',
      'client/a.ts -> server/log/a.ts',
      'cli/a.ts -> server/node.ts',
      'other/a.ts -> proto/a.ts',
    ],
  );
  const circle = graph({
    'cli/a.ts': "import './b.js';\nimport './d.js';",
    'cli/b.ts': "import './c.js';",
    'cli/c.ts': "import type { A } from './a.js';",
    'cli/d.ts': "import './c.js';",
    'cli/e.ts': "import './a.js';",
  });
  t.same(cycles(circle), ['cli/a.ts', 'cli/b.ts', 'cli/c.ts', 'cli/d.ts']);
  t.same([...reachable(circle, ['cli/b.ts'])].sort(), [
    'cli/a.ts',
    'cli/b.ts',
    'cli/c.ts',
    'cli/d.ts',
  ]);
  t.same(danglingImports(graph({ 'proto/a.ts': "import './gone.js';\nimport './limits.js';" })), [
    'proto/a.ts imports proto/gone.ts',
  ]);
  t.match('setTimeout(f, 1)', worldlyWords);
  t.match('new Date()', worldlyWords);
  t.notMatch('new Date(header.timeMs)', worldlyWords);
  t.ok(isDeterministic('server/replica.ts'));
  t.notOk(isDeterministic('server/rpc/a.ts'));
});
