/** SIGKILL, and the same command again some time later. */
import { between } from '../worker.js';
import type { Fault, FaultContext } from './fault.js';
import { pick, runningLeader } from './fault.js';

const downMs = { min: 100, max: 3000 };

export const killOne: Fault = async (context) => {
  const { targets } = context.cluster;
  if (targets.length > 0) await killAndRestart(context, [pick(context.random, targets)]);
};

export const killLeader: Fault = async (context) => {
  const leader = await runningLeader(context);
  if (leader !== undefined) await killAndRestart(context, [leader]);
};

export const killAll: Fault = async (context) => {
  const { targets } = context.cluster;
  if (targets.length > 0) await killAndRestart(context, targets);
};

async function killAndRestart(context: FaultContext, ids: readonly string[]): Promise<void> {
  const { cluster, random } = context;
  await cluster.kill(ids);
  context.injected(ids.join(', '));
  // Not all at the same moment: some nodes find others that are still away.
  await Promise.all(
    ids.map(async (id) => {
      await context.pause(between(random, downMs.min, downMs.max));
      await cluster.restart(id);
    }),
  );
}
