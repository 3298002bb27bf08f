/** Processes and machines that end, stop for a while, hand over, or have wrong clocks. */
import type { Fault } from './fault.js';
import { passes } from './fault.js';

const dayMs = 86_400_000;

export const processFaults = {
  crash: {
    weight: 4,
    nodesMin: 1,
    inject(world, { target, pick }) {
      const node = world.target(target);
      if (!node.isRunning) return undefined;
      world.say(`${node.id} loses power`);
      world.supervisor.crash(node, Math.floor(pick * 2 ** 30));
      return () => world.supervisor.start(node);
    },
  },
  /** In the middle of one of its next operations. */
  crashAtDisk: {
    weight: 2,
    nodesMin: 1,
    inject(world, { target, pick }) {
      const node = world.target(target);
      if (!node.isRunning) return undefined;
      const { disk } = node;
      const nth = 1 + Math.floor(pick * 12);
      world.say(`${node.id} loses power at its ${nth}. disk operation from now`);
      disk.cutPowerAt(nth);
      return () => {
        // Somebody else may have crashed it before it got there.
        if (node.disk !== disk) return;
        world.supervisor.crash(node, Math.floor(pick * 2 ** 30));
        world.supervisor.start(node);
      };
    },
  },
  blackout: {
    weight: 1,
    nodesMin: 1,
    inject(world, { pick }) {
      const nodes = world.nodes.filter((node) => node.isRunning);
      if (nodes.length === 0) return undefined;
      world.say('all nodes lose power');
      for (const node of nodes) world.supervisor.crash(node, Math.floor(pick * 2 ** 30));
      return () => nodes.forEach((node) => world.supervisor.start(node));
    },
  },
  stop: {
    weight: 3,
    nodesMin: 1,
    inject(world, { target, pick }) {
      const node = world.target(target);
      if (node.reachable === undefined || node.failure !== null) return undefined;
      world.say(`${node.id} is stopped`);
      world.supervisor.stop(node);
      return () => {
        // A disk that hangs keeps it from ending.
        if (node.isRunning) world.supervisor.crash(node, Math.floor(pick * 2 ** 30));
        world.supervisor.start(node);
      };
    },
  },
  /** Without its machine: what it has written stays, whether synced or not. */
  kill: {
    weight: 3,
    nodesMin: 1,
    inject(world, { target }) {
      const node = world.target(target);
      if (!node.isRunning) return undefined;
      world.say(`${node.id} is killed`);
      world.supervisor.kill(node);
      return () => world.supervisor.start(node);
    },
  },
  pause: {
    weight: 10,
    nodesMin: 1,
    inject(world, { target, durationMs }) {
      const node = world.target(target);
      if (!node.isRunning) return undefined;
      world.say(`${node.id} does not run for ${durationMs} ms`);
      node.pause(durationMs);
      return passes;
    },
  },
  jumpClock: {
    weight: 4,
    nodesMin: 1,
    inject(world, { target, pick }) {
      const node = world.target(target);
      if (!node.isRunning) return undefined;
      const byMs = Math.round((pick - 0.5) * dayMs);
      world.say(`the clock of ${node.id} is set by ${byMs} ms`);
      node.clock.jump(byMs);
      return passes;
    },
  },
  driftClock: {
    weight: 3,
    nodesMin: 1,
    inject(world, { target, pick }) {
      const node = world.target(target);
      if (!node.isRunning) return undefined;
      const { clock } = node;
      const rate = 0.7 + 0.6 * pick;
      world.say(`a second of ${node.id} is ${rate} of the others'`);
      clock.drift(rate);
      return () => clock.drift(1);
    },
  },
  transfer: {
    weight: 6,
    nodesMin: 3,
    inject(world, { other }) {
      const leader = world.target('leader');
      const to = world.node(other);
      if (leader.reachable === undefined || to === leader) return undefined;
      world.say(`${leader.id} is asked to hand over to ${to.id}`);
      const { signal } = new AbortController();
      // It may lead no longer, or fail at it.
      leader.reachable.transfer({ to: to.id }, signal).catch(() => undefined);
      return passes;
    },
  },
} satisfies Record<string, Fault>;
