/**
 * Searches the states of the core, or every mutant of it; fails if a promise is broken, or if a
 * mutant is not found. The last line of each search, and of all mutants, is JSON with `--json`.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Mutation } from '../mutants/mutation.js';
import { raftMutations } from '../mutants/raft.js';
import { scopes } from './scope.js';
import type { Scope } from './scope.js';
import { search } from './search.js';
import type { Found } from './search.js';

const usage = `main.js [--states N] [--scope NAME|all] [--mutants] [--json]

  --states   to look at, at most, in each scope (default 1000000)
  --scope    ${scopes.map(({ name }) => name).join(', ')} or all (default everything)
  --mutants  search all scopes but the last for each mutant of the core, until it is found`;

const { values } = parseArgs({
  options: {
    states: { type: 'string', default: '1000000' },
    scope: { type: 'string', default: 'everything' },
    mutants: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

function main(): boolean {
  if (values.help) {
    process.stdout.write(`${usage}\n`);
    return true;
  }
  const statesMax = Number(values.states);
  if (!Number.isSafeInteger(statesMax) || statesMax < 1) throw new Error(usage);
  if (values.mutants) return searchMutants(statesMax);
  const chosen =
    values.scope === 'all' ? scopes : scopes.filter(({ name }) => name === values.scope);
  if (chosen.length === 0) throw new Error(usage);
  return chosen.every((scope) => searchScope(scope, statesMax));
}

/** Whether every promise was kept. */
function searchScope(scope: Scope, statesMax: number): boolean {
  const begunMs = performance.now();
  const found = search(scope, statesMax, (depth, states) => {
    if (!values.json) process.stdout.write(`  depth ${depth}: ${states} states\n`);
  });
  const seconds = Math.round((performance.now() - begunMs) / 100) / 10;
  const memoryMiB = Math.round(process.memoryUsage.rss() / 2 ** 20);
  const { violation } = found;
  if (values.json) print({ ...found, seconds, memoryMiB });
  else {
    print(scope);
    process.stdout.write(`${summaryOf(found)} in ${seconds} s, ${memoryMiB} MiB\n`);
    if (violation !== null) {
      process.stdout.write(`broken: ${violation.promise}\n${violation.story.join('\n')}\n`);
    }
  }
  return violation === null;
}

function summaryOf(found: Found): string {
  const { scope, states, transitions, depth, exhausted, nodeStates, steps } = found;
  return (
    `${scope}: ${states} states, ${transitions} transitions, depth ${depth}, ` +
    `${exhausted ? 'exhausted' : 'not exhausted'}; ${nodeStates} states of one node, ` +
    `${steps} steps of the core`
  );
}

function searchMutants(statesMax: number): boolean {
  const wrong: string[] = [];
  let found = 0;
  for (const mutation of raftMutations) {
    const searches = searchMutant(mutation, statesMax);
    const violation = searches.at(-1)?.violation ?? null;
    if (violation !== null) found += 1;
    if ((violation !== null) !== mutation.harmful) wrong.push(mutation.name);
    const states = searches.reduce((sum, search) => sum + search.states, 0);
    const where = `in ${searches.at(-1)?.scope}: ${violation?.promise}`;
    const result = violation === null ? 'not found' : where;
    process.stdout.write(`${mutation.name}: ${states} states, ${result}\n`);
  }
  print({ mutants: raftMutations.length, found, wrong });
  return wrong.length === 0;
}

/** One search after the other in a process with the mutant in it, up to the one that finds it. */
function searchMutant({ name }: Mutation, statesMax: number): Found[] {
  const searches: Found[] = [];
  // Most are found soon in one scope or another.
  const rounds = [Math.ceil(statesMax / 20), statesMax].flatMap((max) =>
    scopes.slice(0, -1).map((scope) => [scope.name, max] as const),
  );
  for (const [scope, max] of rounds) {
    const hooks = new URL('../mutants/hooks.js', import.meta.url).href;
    const program = fileURLToPath(import.meta.url);
    const { stdout, stderr } = spawnSync(
      process.execPath,
      ['--import', hooks, program, '--json', '--scope', scope, '--states', String(max)],
      { env: { ...process.env, LOGLOG_MUTANT: name }, encoding: 'utf8' },
    );
    if (stdout === '') throw new Error(`${name}: ${stderr}`);
    const search = JSON.parse(stdout) as Found;
    searches.push(search);
    if (search.violation !== null) break;
  }
  return searches;
}

function print(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

process.exitCode = main() ? 0 : 1;
