/** A run that failed, told as shortly as it can be had. */
import type { Failure } from './campaign.js';
import { shrink } from './shrink.js';

const shrinkRunsMax = 80;
const storyLinesMax = 400;

export async function explain({ plan, result }: Failure): Promise<string[]> {
  const shrunk = await shrink(plan, result, shrinkRunsMax);
  const { actions, clients, ...rest } = shrunk.plan;
  const { story, violations } = shrunk.result;
  return [
    `seed ${plan.seed} (${plan.mode}): ${result.violations.join('\n')}`,
    `after ${shrunk.runs} more runs: ${JSON.stringify(rest)}`,
    ...clients.map((client) => `client ${JSON.stringify(client)}`),
    ...actions.map((action) => `action ${JSON.stringify(action)}`),
    ...story.slice(-storyLinesMax),
    ...violations.map((violation) => `VIOLATION ${violation}`),
  ];
}
