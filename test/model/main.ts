/**
 * Searches the states of the core, and fails if a promise is broken. With `--json` the last line of
 * each search is JSON.
 */
import { parseArgs } from 'node:util';
import { scopes } from './scope.js';
import type { Scope } from './scope.js';
import { search } from './search.js';
import type { Found } from './search.js';

const usage = `main.js [--states N] [--scope NAME|all] [--json]

  --states  to look at, at most, in each scope (default 1000000)
  --scope   ${scopes.map(({ name }) => name).join(', ')} or all (default everything)`;

const { values } = parseArgs({
  options: {
    states: { type: 'string', default: '1000000' },
    scope: { type: 'string', default: 'everything' },
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

function print(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

process.exitCode = main() ? 0 : 1;
