/** `npm run mutants -- …`: shows for every deliberate fault which check catches it. */
import { parseArgs } from 'node:util';
import { checks } from './checks.js';
import type { Area } from './mutants.js';
import { areas, mutations } from './mutants.js';
import type { Mutation } from './mutation.js';
import type { Outcome } from './outcome.js';
import { describe, isWrong, totalsOf } from './outcome.js';

const usage = `usage: npm run mutants -- [--only NAME,…] [--seconds N] [--json]

  --only     these mutants, or those of these areas: ${areas.map(({ name }) => name).join(', ')}
  --seconds  of processor time, for the simulation and for the search (default 20)
  --json     nothing but the last line on standard output`;

/** As many as there are cores on the machine that docs/TESTING.md speaks of. */
const mutantsAtATime = 2;

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    seconds: { type: 'string', default: '20' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) console.log(usage);
else await main();

async function main(): Promise<void> {
  const seconds = Number(values.seconds);
  const chosen = choose(values.only?.split(','));
  if (!(seconds > 0) || chosen.length === 0) throw new Error(usage);
  const outcomes = await tryAll(chosen, seconds);
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
    const caught = await check(mutation.name, area, seconds);
    if (caught !== undefined) return { mutation, caught };
  }
  return { mutation, caught: undefined };
}

function choose(names: readonly string[] | undefined): (readonly [Mutation, Area])[] {
  const all = areas.flatMap((area) => area.mutations.map((mutation) => [mutation, area] as const));
  const isNamed = (name: string) => names === undefined || names.includes(name);
  return all.filter(([mutation, area]) => isNamed(mutation.name) || isNamed(area.name));
}

/** Where nothing but one line of JSON is wanted, all else goes to standard error. */
function say(line: string): void {
  if (values.json) console.error(line);
  else console.log(line);
}
