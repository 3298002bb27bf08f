/** A rolling restart: SIGTERM to one node after the other, each waited for. */
import type { Fault } from './fault.js';
import { shuffled } from './fault.js';

/** Other faults may keep a node from catching up; then the next one has its turn all the same. */
const caughtUpMs = 10_000;

export const restartInTurn: Fault = async (context) => {
  const { cluster, random } = context;
  for (const id of shuffled(random, cluster.ids)) {
    if (!cluster.targets.includes(id)) continue;
    await cluster.terminate(id);
    context.injected(id);
    await cluster.restart(id);
    await cluster.caughtUp(id, caughtUpMs);
  }
};
