/** `npm run mutants -- …`: shows for every deliberate fault which check catches it. */
import { Command, InvalidArgumentError, Option } from 'commander';
import { number, secondsRange } from '../command-line.js';
import { checks } from './checks.js';
import type { Area } from './mutants.js';
import { areas, mutations } from './mutants.js';
import type { Mutation } from './mutation.js';
import type { Outcome } from './outcome.js';
import { describe, isWrong, totalsOf } from './outcome.js';

/** As many as there are cores on the machine that docs/TESTING.md speaks of. */
const mutantsAtATime = 2;

interface Flags {
  readonly only?: readonly string[];
  readonly seconds: number;
  readonly json?: true;
}

const areaNames = areas.map(({ name }) => name);

const flags = new Command('mutants')
  .description('shows for every deliberate fault which check catches it')
  .addOption(
    new Option(
      '--only <name,...>',
      `these mutants, or those of these areas: ${areaNames.join(', ')}`,
    ).argParser(parseNames),
  )
  .addOption(
    number(
      '--seconds <count>',
      'of processor time, for the simulation and for the search',
      secondsRange,
      10,
    ),
  )
  .option('--json', 'nothing but the last line on standard output')
  .parse()
  .opts<Flags>();

await main();

async function main(): Promise<void> {
  const outcomes = await tryAll(choose(flags.only), flags.seconds);
  say('');
  for (const outcome of outcomes) say(describe(outcome));
  for (const outcome of outcomes.filter(isWrong)) {
    const { harmful, name, fault } = outcome.mutation;
    say(`${harmful ? 'NOT CAUGHT' : 'CAUGHT FOR NOTHING'}: ${name}, which ${fault}`);
    process.exitCode = 1;
  }
  console.log(JSON.stringify(totalsOf(outcomes)));
}

async function tryAll(
  chosen: readonly (readonly [Mutation, Area])[],
  seconds: number,
): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  const queue = chosen.values();
  const work = async () => {
    for (const [mutation, area] of queue) {
      const outcome = await tryOne(mutation, area, seconds);
      outcomes.push(outcome);
      say(`${outcomes.length}/${chosen.length} ${describe(outcome)}`);
    }
  };
  await Promise.all(Array.from({ length: mutantsAtATime }, work));
  const place = ({ mutation }: Outcome) => mutations.indexOf(mutation);
  return outcomes.toSorted((a, b) => place(a) - place(b));
}

/** One check after the other, up to the first that finds something. */
async function tryOne(mutation: Mutation, area: Area, seconds: number): Promise<Outcome> {
  for (const check of checks) {
    const caught = await check(mutation, area, seconds);
    if (caught !== undefined) return { mutation, caught };
  }
  return { mutation, caught: undefined };
}

function choose(names: readonly string[] | undefined): (readonly [Mutation, Area])[] {
  const all = areas.flatMap((area) => area.mutations.map((mutation) => [mutation, area] as const));
  const isNamed = (name: string) => names === undefined || names.includes(name);
  return all.filter(([mutation, area]) => isNamed(mutation.name) || isNamed(area.name));
}

function parseNames(text: string): string[] {
  const names = text.split(',');
  const known = new Set([...areaNames, ...mutations.map(({ name }) => name)]);
  const unknown = names.find((name) => !known.has(name));
  if (unknown === undefined) return names;
  throw new InvalidArgumentError(`'${unknown}' is no mutant and no area.`);
}

/** Where nothing but one line of JSON is wanted, all else goes to standard error. */
function say(line: string): void {
  if (flags.json) console.error(line);
  else console.log(line);
}
