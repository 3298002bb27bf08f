/** Everything that can be done to a cluster, by name. */
import { clientFaults } from './faults/clients.js';
import { diskFaults } from './faults/disk.js';
import type { Fault } from './faults/fault.js';
import { forgettingFaults, silentFaults } from './faults/forgetting.js';
import { networkFaults } from './faults/network.js';
import { processFaults } from './faults/process.js';
import { rotFaults } from './faults/rot.js';
import type { Action, Mode } from './plan.js';
import type { World } from './world.js';

const faults = {
  ...processFaults,
  ...networkFaults,
  ...clientFaults,
  ...diskFaults,
  ...rotFaults,
  ...forgettingFaults,
  ...silentFaults,
} satisfies Record<string, Fault>;

export type FaultName = keyof typeof faults;

export const faultWeights = Object.fromEntries(
  Object.entries(faults).map(([name, { weight }]) => [name, weight]),
) as Readonly<Record<FaultName, number>>;

/** In the order of the table. */
export function enabledFaults(mode: Mode, size: number): FaultName[] {
  return (Object.keys(faults) as FaultName[]).filter((name) => {
    const isRot = name in rotFaults;
    // What nobody can tell, a cluster that is not spared anything cannot be held to.
    if (mode === 'halt') return !(name in silentFaults) && (isRot || size >= faults[name].nodesMin);
    return size >= faults[name].nodesMin;
  });
}

/** Injects, counts, and heals when its time has passed; nothing while something is to be noticed. */
export function carryOut(world: World, action: Action): void {
  if (!world.promises.isNothingHidden) return;
  const fault: Fault = faults[action.fault];
  const heal = fault.inject(world, action);
  if (heal === undefined) return;
  world.counts[action.fault] = (world.counts[action.fault] ?? 0) + 1;
  world.healAfter(action.durationMs, heal);
}
