/** Disks on which bytes change by themselves. */
import { positionOf } from '../../../server/log/segment.js';
import type { TestNode } from '../../engine/cluster.js';
import type { Action } from '../plan.js';
import type { World } from '../world.js';
import type { Fault } from './fault.js';
import { passes } from './fault.js';
import { segmentsOf } from './segments.js';

export const rotFaults = {
  flipBits: {
    weight: 6,
    nodesMin: 3,
    inject: (world, action) =>
      rot(world, action, (node, path, position) => {
        node.disk.flipBit(path, position, position % 8);
      }),
  },
  zeroSectors: {
    weight: 3,
    nodesMin: 3,
    inject: (world, action) =>
      rot(world, action, (node, path, position) => {
        node.disk.zeroSectors(path, position, 1 + (position % 3) * 512);
      }),
  },
  spoilSectors: {
    weight: 3,
    nodesMin: 3,
    inject(world, action) {
      world.supervisor.excuse(world.target(action.target), 'DISK_FAILED');
      return rot(world, action, (node, path, position) => {
        node.disk.spoilSectors(path, position, 1);
      });
    },
  },
} satisfies Record<string, Fault>;

/** Somewhere in the log of the node, if that leaves a good copy elsewhere. */
function rot(
  world: World,
  { target, pick }: Action,
  damage: (node: TestNode, path: string, position: number) => void,
): (() => void) | undefined {
  const node = world.target(target);
  const segments = segmentsOf(node);
  const scaled = pick * segments.length;
  const file = segments[Math.floor(scaled)];
  if (file === undefined || file.length === 0) return undefined;
  // Where its log ends nobody may be able to tell any more, if that is hit.
  const isLast = file === segments.at(-1);
  if (isLast && !world.promises.mayForget(node)) return undefined;
  if (!isLast && !world.promises.mayRot(node, file.base)) return undefined;
  // What lies behind the end is no part of the log, and comes to light only where it is restarted.
  const end = isLast ? positionOf(file.base, world.monitor.diskEnd(node)) : file.length;
  const position = Math.floor((scaled % 1) * Math.min(file.length, Math.max(end, 1)));
  world.say(`${node.id}: rot in ${file.path} at ${position}`);
  if (isLast) {
    world.promises.forget(node);
    // A leader that is deposed may find it in what is to be cut off; its next start mends that.
    world.supervisor.excuse(node, 'DATA_CORRUPT');
  } else {
    world.promises.rot(node);
  }
  damage(node, file.path, position);
  return passes;
}
