/** Seeds that have shown something once. */
import t from 'tap';
import { explain } from './failure.js';
import { drawPlan } from './plan.js';
import { runPlan } from './run.js';
import { keptSeeds } from './seeds.js';

for (const { seed, mode, why } of keptSeeds) {
  t.test(`seed ${seed} (${mode}): ${why}`, async (t) => {
    const plan = drawPlan(seed, mode);
    const result = await runPlan(plan);
    t.same(result.violations, []);
    if (!t.passing()) for (const line of await explain({ plan, result })) t.comment(line);
  });
}
