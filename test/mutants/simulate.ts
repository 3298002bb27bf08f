/** The simulator on seeds of its own, up to the first violation: simulate.js SECONDS */
import { Campaign } from '../sim/campaign.js';
import type { Finding } from './finding.js';

/** None of them is a kept one, and they are the same for every mutant. */
const firstSeed = 7_000_001;

const limitMicros = Number(process.argv[2]) * 1e6;
const campaign = new Campaign();

process.on('uncaughtException', (error) => {
  end(`nobody catches ${error.message}`);
  process.exit();
});
await main();

async function main(): Promise<void> {
  for (let seed = firstSeed; usedMicros() < limitMicros; seed += 1) {
    for (const mode of ['survive', 'halt'] as const) {
      const failure = await campaign.run(seed, mode);
      const [violation] = failure?.result.violations ?? [];
      if (violation !== undefined) return end(`${mode}: ${violation}`);
    }
  }
  end(null);
}

/** Of processor time, so that it does not matter what else is running. */
function usedMicros(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

function end(found: string | null): void {
  const finding: Finding = { count: campaign.totals.seeds, found };
  console.log(JSON.stringify(finding));
}
