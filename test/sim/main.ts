/** `npm run sim -- …`: runs seeds and says what became of them. */
import { randomInt } from 'node:crypto';
import { Command, Option } from 'commander';
import type { Seeds } from '../command-line.js';
import { countRange, number, secondsRange, seedRange, seeds } from '../command-line.js';
import { runBlackouts } from './blackouts.js';
import { Campaign, describeTotals } from './campaign.js';
import { explain } from './failure.js';
import type { FlipReport } from './flips.js';
import { flipBytes } from './flips.js';
import type { Mode } from './plan.js';
import { drawPlan } from './plan.js';
import { runPlan } from './run.js';

/** So that there is room for a campaign above it. */
const firstSeedMax = 2 ** 31;

/** Between two lines of progress. */
const flipsAtATime = 1000;

interface Flags {
  readonly seed?: number;
  readonly seeds?: Seeds;
  readonly seconds: number;
  readonly blackouts?: number;
  readonly flips?: number;
  readonly mode: Mode | 'both';
  readonly json?: true;
}

/** One of them says what is run. */
const ways = [
  number('--seed <number>', 'one run as it is, with all that happened in it', seedRange),
  seeds('--seeds <first-last>', 'a run for each of these seeds'),
  number('--seconds <count>', 'runs with fresh seeds for so long', secondsRange, 60),
  number('--blackouts <count>', 'all nodes lose power so many times', countRange),
  number(
    '--flips <step>',
    "a bit turns over in every so many-th byte of a node's disk",
    countRange,
  ),
];

const command = new Command('sim').description('runs simulated clusters under faults');
for (const way of ways) {
  const others = ways.filter((other) => other !== way);
  command.addOption(way.conflicts(others.map((other) => other.attributeName())));
}
const flags = command
  .addOption(
    new Option(
      '--mode <mode>',
      'survive: faults leave a quorum that can go on; halt: they need not',
    )
      .choices(['survive', 'halt', 'both'])
      .default('survive'),
  )
  .option('--json', 'nothing but the last line on standard output')
  .parse()
  .opts<Flags>();

await main();

async function main(): Promise<void> {
  const modes: readonly Mode[] = flags.mode === 'both' ? ['survive', 'halt'] : [flags.mode];
  if (flags.blackouts !== undefined) return blackouts(flags.blackouts);
  if (flags.flips !== undefined) return flips(flags.flips);
  if (flags.seed !== undefined) return replay(flags.seed, modes);
  if (flags.seeds !== undefined) {
    const { first, last } = flags.seeds;
    return campaign(first, modes, (seed) => seed <= last);
  }
  const base = randomInt(firstSeedMax);
  const endMs = performance.now() + 1000 * flags.seconds;
  say(`seeds from ${base}`);
  return campaign(base, modes, () => performance.now() < endMs);
}

async function campaign(
  first: number,
  modes: readonly Mode[],
  goesOn: (seed: number) => boolean,
): Promise<void> {
  const all = new Campaign();
  for (let seed = first; goesOn(seed); seed += 1) {
    for (const mode of modes) {
      const failure = await all.run(seed, mode);
      if (failure !== undefined) for (const line of await explain(failure)) say(line);
    }
  }
  say(describeTotals(all.totals));
  say(JSON.stringify(all.faults));
  if (flags.json) console.log(JSON.stringify(all.totals));
  if (all.totals.violations > 0) process.exitCode = 1;
}

/** One run as it is, with all that happened in it. */
async function replay(seed: number, modes: readonly Mode[]): Promise<void> {
  for (const mode of modes) {
    const result = await runPlan(drawPlan(seed, mode));
    const { story, violations, ...numbers } = result;
    for (const line of story) console.log(line);
    for (const violation of violations) console.log(`VIOLATION ${violation}`);
    console.log(JSON.stringify({ ...numbers, violations: violations.length }));
    if (violations.length > 0) process.exitCode = 1;
  }
}

async function blackouts(count: number): Promise<void> {
  const { acknowledged, lost } = await runBlackouts(randomInt(firstSeedMax), count);
  console.log(JSON.stringify({ blackouts: count, acknowledged, lost: lost.length }));
  for (const violation of lost) say(violation);
  if (lost.length > 0) process.exitCode = 1;
}

async function flips(step: number): Promise<void> {
  const seed = randomInt(firstSeedMax);
  say(`seed ${seed}`);
  const { wrong, ...counts } = await flipBytes({ seed, step, first: seed % step }, (so) => {
    if (so.flips % flipsAtATime === 0) say(describeFlips(so));
  });
  console.log(JSON.stringify({ ...counts, wrong: wrong.length }));
  for (const one of wrong) say(one);
  if (wrong.length > 0) process.exitCode = 1;
}

function describeFlips({
  flips,
  unaffected,
  repaired,
  rejoined,
  refused,
  wrong,
}: FlipReport): string {
  return (
    `${flips} flips: ${unaffected} without effect, ${repaired} repaired, ${rejoined} rejoined, ` +
    `${refused} refused, ${wrong.length} wrong`
  );
}

/** Where nothing but one line of JSON is wanted, all else goes to standard error. */
function say(line: string): void {
  if (flags.json) console.error(line);
  else console.log(line);
}
