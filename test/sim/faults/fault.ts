import type { Action } from '../plan.js';
import type { World } from '../world.js';

export interface Fault {
  /** How often it comes, compared with others. */
  readonly weight: number;
  /** Of clusters that it means anything to. */
  readonly nodesMin: number;
  /** Undefined if it cannot be injected now; otherwise what ends it. */
  inject(world: World, action: Action): (() => void) | undefined;
}

/** Of faults that pass by themselves. */
export const passes = (): void => undefined;
