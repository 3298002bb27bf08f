/** `npm run sim -- …`: runs seeds and says what became of them. */
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { runBlackouts } from './blackouts.js';
import { Campaign, describeTotals } from './campaign.js';
import { explain } from './failure.js';
import type { Mode } from './plan.js';
import { drawPlan } from './plan.js';
import { runPlan } from './run.js';

const usage = `usage: npm run sim -- [--seed N | --seeds A-B | --seconds S | --blackouts N]
                  [--mode survive|halt|both] [--json]`;
const seedMax = 2 ** 31;

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    seeds: { type: 'string' },
    seconds: { type: 'string' },
    blackouts: { type: 'string' },
    mode: { type: 'string', default: 'survive' },
    json: { type: 'boolean', default: false },
  },
});

await main();

async function main(): Promise<void> {
  const modes = modesOf(values.mode);
  if (values.blackouts !== undefined) return blackouts(integer(values.blackouts));
  if (values.seed !== undefined) return replay(integer(values.seed), modes);
  const base = randomInt(seedMax);
  if (values.seeds !== undefined) {
    const [first = 0, last = first] = values.seeds.split('-').map(integer);
    return campaign(first, modes, (seed) => seed <= last);
  }
  const endMs = performance.now() + 1000 * integer(values.seconds ?? '60');
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
  if (values.json) console.log(JSON.stringify(all.totals));
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
  const { acknowledged, lost } = await runBlackouts(randomInt(seedMax), count);
  console.log(JSON.stringify({ blackouts: count, acknowledged, lost: lost.length }));
  for (const violation of lost) say(violation);
  if (lost.length > 0) process.exitCode = 1;
}

function modesOf(text: string): Mode[] {
  if (text === 'both') return ['survive', 'halt'];
  if (text === 'survive' || text === 'halt') return [text];
  return fail(`there is no mode ${text}`);
}

function integer(text: string): number {
  const number = Number(text);
  return Number.isSafeInteger(number) && number >= 0 ? number : fail(`${text} is no number`);
}

function fail(message: string): never {
  console.error(`${message}\n${usage}`);
  process.exit(2);
}

/** Where nothing but one line of JSON is wanted, all else goes to standard error. */
function say(line: string): void {
  if (values.json) console.error(line);
  else console.log(line);
}
