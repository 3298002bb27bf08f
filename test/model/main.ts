/**
 * Searches the states of the core, and fails if a promise is broken. With `--json` the last line of
 * each search is JSON.
 */
import { Command, Option } from 'commander';
import { countRange, number } from '../command-line.js';
import { scopes } from './scope.js';
import type { Scope } from './scope.js';
import { search } from './search.js';
import type { Found } from './search.js';

interface Flags {
  readonly states: number;
  readonly scope: string;
  readonly json?: true;
}

const flags = new Command('model')
  .description('searches the states of the core')
  .addOption(
    number('--states <count>', 'to look at, at most, in each scope', countRange, 1_000_000),
  )
  .addOption(
    new Option('--scope <name>', 'the bounds of the search, or all in turn')
      .choices([...scopes.map(({ name }) => name), 'all'])
      .default('everything'),
  )
  .option('--json', 'one line of JSON for each search')
  .parse()
  .opts<Flags>();

function main(): boolean {
  const isChosen = ({ name }: Scope) => flags.scope === 'all' || flags.scope === name;
  return scopes.filter(isChosen).every((scope) => searchScope(scope, flags.states));
}

/** Whether every promise was kept. */
function searchScope(scope: Scope, statesMax: number): boolean {
  const begunMs = performance.now();
  const found = search(scope, statesMax, (depth, states) => {
    if (!flags.json) process.stdout.write(`  depth ${depth}: ${states} states\n`);
  });
  const seconds = Math.round((performance.now() - begunMs) / 100) / 10;
  const memoryMiB = Math.round(process.memoryUsage.rss() / 2 ** 20);
  const { violation } = found;
  if (flags.json) print({ ...found, seconds, memoryMiB });
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
