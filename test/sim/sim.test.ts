/**
 * Clusters in the worst of weather, on seeds that nobody has run before: whatever happens, nodes
 * and clients are told the truth, and go on when it is over.
 */
import { randomInt } from 'node:crypto';
import t from 'tap';
import { Campaign, describeTotals } from './campaign.js';
import { explain } from './failure.js';
import type { Mode } from './plan.js';
import { runSeed } from './run.js';

const seedMax = 2 ** 31;
const coreSeconds: Readonly<Record<Mode, number>> = { survive: 150, halt: 30 };

/** A machine with other things to do may take long for that. */
const timeoutMs = 20 * 60_000;

t.setTimeout(timeoutMs);

for (const mode of ['survive', 'halt'] as const) {
  t.test(`${mode}: ${coreSeconds[mode]} s of fresh seeds`, { timeout: timeoutMs }, async (t) => {
    const campaign = new Campaign();
    const base = randomInt(seedMax);
    for (let seed = base; campaign.totals.coreSeconds < coreSeconds[mode]; seed += 1) {
      const failure = await campaign.run(seed, mode);
      if (failure === undefined) continue;
      for (const line of await explain(failure)) t.comment(line);
      t.fail(`seed ${seed}`);
      break;
    }
    t.comment(describeTotals(campaign.totals));
    t.comment(JSON.stringify(campaign.faults));
    t.ok(campaign.totals.appends > 0, 'something was appended');
  });
}

t.test('the same seed gives the same run', async (t) => {
  const [one, other] = [await runSeed(7), await runSeed(7)];
  t.equal(one.traceHash, other.traceHash);
  t.same(one.story, other.story);
  t.not((await runSeed(8)).traceHash, one.traceHash);
});
