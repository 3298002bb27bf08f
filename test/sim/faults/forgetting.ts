/** Nodes whose disks are not what they were: what was on them is gone, and was promised. */
import type { TestNode } from '../../engine/cluster.js';
import type { WriteFault } from '../../log/write-faults.js';
import type { Action } from '../plan.js';
import type { World } from '../world.js';
import type { Fault } from './fault.js';
import { passes } from './fault.js';
import { segmentsOf } from './segments.js';

const keptTwice = /\/(identity|hard-state|truncation)$/;

export const forgettingFaults = {
  wipe: {
    weight: 3,
    nodesMin: 3,
    inject(world, { target, pick }) {
      const node = world.target(target);
      if (!world.promises.mayForget(node)) return undefined;
      world.say(`${node.id} loses its disk`);
      forget(world, node, pick);
      node.disk.wipe();
      return () => world.supervisor.start(node);
    },
  },
  /** Who it is, its term and vote, its checkpoints, the record of truncations: one copy, or both. */
  rotState: {
    weight: 2,
    nodesMin: 3,
    inject(world, { target, pick }) {
      const node = world.target(target);
      const segments = segmentsOf(node).map(({ path }) => path);
      const files = node.disk.files().filter(({ path }) => !segments.includes(path));
      const scaled = pick * files.length;
      const file = files[Math.floor(scaled)];
      if (file === undefined || !world.promises.mayForget(node)) return undefined;
      const position = Math.floor((scaled % 1) * file.length);
      world.say(`${node.id}: rot in ${file.path} at ${position}`);
      world.promises.forget(node);
      node.disk.flipBit(file.path, position, position % 8);
      if (keptTwice.test(file.path) && position % 3 === 0) {
        const inTheOther = (position + file.length / 2) % file.length;
        world.say(`${node.id}: and at ${inTheOther}`);
        node.disk.flipBit(file.path, inTheOther, position % 8);
      }
      return passes;
    },
  },
} satisfies Record<string, Fault>;

/** What the node itself cannot know. A peer that remembers more tells it, as long as there is one. */
export const silentFaults = {
  /** The disk goes back to what it was when the fault began. */
  olderCopy: {
    weight: 6,
    nodesMin: 3,
    inject(world, { target, pick, durationMs }) {
      const node = world.target(target);
      const snapshot = node.disk.snapshot();
      world.say(`${node.id}'s disk is copied`);
      world.after(durationMs, () => {
        if (!world.promises.mayForgetUnnoticed(node)) return;
        world.say(`${node.id} gets the older copy of its disk`);
        world.promises.forgetUnnoticed(node);
        world.supervisor.crash(node, Math.floor(pick * 2 ** 30));
        node.disk.restore(snapshot);
        world.supervisor.start(node);
      });
      return passes;
    },
  },
  loseWrite: {
    weight: 4,
    nodesMin: 3,
    inject: (world, action) => lie(world, action, () => ({ type: 'lose' })),
  },
  misdirectWrite: {
    weight: 4,
    nodesMin: 3,
    inject: (world, action) =>
      lie(world, action, (path, length) => ({
        type: 'misdirect',
        path,
        position: Math.floor(action.pick * length),
      })),
  },
} satisfies Record<string, Fault>;

function forget(world: World, node: TestNode, pick: number): void {
  world.promises.forget(node);
  if (node.isRunning) world.supervisor.crash(node, Math.floor(pick * 2 ** 30));
  else world.supervisor.hold(node);
}

/** Until it is looked again whether the others have everything. */
const catchUpMs = 100;

/** The next write to the newest segment does not do what the disk says; then the power goes. */
function lie(
  world: World,
  { target, pick, durationMs }: Action,
  faultOf: (path: string, length: number) => WriteFault,
): (() => void) | undefined {
  const node = world.target(target);
  const newest = segmentsOf(node).at(-1);
  if (newest === undefined || !world.promises.mayForgetUnnoticed(node)) return undefined;
  world.say(`${node.id} will lose a write to ${newest.path}`);
  world.promises.doom(node);
  node.disk.faultNextWrite(newest.path, faultOf(newest.path, newest.length));
  // What a leader loses that only one other has, nobody who is left could miss.
  const others = world.nodes.filter((other) => other !== node);
  const crash = () => {
    if (!others.every((other) => world.monitor.isCaughtUp(other))) {
      world.after(catchUpMs, crash);
      return;
    }
    world.promises.endDoom(node);
    world.supervisor.crash(node, Math.floor(pick * 2 ** 30));
    world.supervisor.start(node);
  };
  world.after(durationMs, crash);
  return passes;
}
