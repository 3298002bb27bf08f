/** Disks that hang, fill up or fail, and lose nothing that they said was durable. */
import type { TestNode } from '../../engine/cluster.js';
import type { MemoryDisk } from '../../log/memory-disk.js';
import type { World } from '../world.js';
import type { Fault } from './fault.js';
import { segmentsOf } from './segments.js';

export const diskFaults = {
  stallDisk: {
    weight: 10,
    nodesMin: 1,
    inject(world, { target }) {
      const node = world.target(target);
      world.say(`${node.id}'s disk hangs`);
      const release = node.disk.stallWrites();
      return () => {
        world.say(`${node.id}'s disk goes on`);
        release();
      };
    },
  },
  fillDisk: {
    weight: 8,
    nodesMin: 1,
    inject(world, { target }) {
      const node = world.target(target);
      world.say(`${node.id}'s disk is full`);
      node.disk.full = true;
      // A node that starts may have no room to begin with.
      world.supervisor.excuse(node, 'DISK_FAILED');
      return () => {
        world.say(`${node.id}'s disk has room`);
        node.disk.full = false;
      };
    },
  },
  /** There is room for a little more only. */
  shrinkDisk: {
    weight: 4,
    nodesMin: 1,
    inject(world, { target, pick }) {
      const node = world.target(target);
      const roomBytes = Math.floor(pick * 100_000);
      world.say(`${node.id}'s disk has room for ${roomBytes} bytes more`);
      node.disk.roomBytes = node.disk.usedBytes + roomBytes;
      world.supervisor.excuse(node, 'DISK_FAILED');
      return () => (node.disk.roomBytes = Infinity);
    },
  },
  slowDisk: {
    weight: 4,
    nodesMin: 1,
    inject(world, { target, pick }) {
      const node = world.target(target);
      const { diskDelayMs } = node;
      const dice = world.dice.stream(`slow ${pick}`);
      const meanMs = 5 + 100 * pick;
      world.say(`${node.id}'s disk takes ${meanMs} ms for an operation`);
      node.diskDelayMs = () => dice.exponential(meanMs);
      return () => (node.diskDelayMs = diskDelayMs);
    },
  },
  failRead: {
    weight: 4,
    nodesMin: 1,
    inject(world, { target, pick }) {
      const node = world.target(target);
      const segments = segmentsOf(node);
      const file = segments[Math.floor(pick * segments.length)];
      if (file === undefined) return undefined;
      world.say(`the next read of ${node.id}'s ${file.path} fails`);
      world.supervisor.excuse(node, 'DISK_FAILED');
      world.supervisor.excuse(node, 'DATA_CORRUPT');
      const { disk } = node;
      disk.failNextRead(file.path);
      return () => replaceDisk(world, node, disk);
    },
  },
  /** The system counts pages as written that are not: readers see them, a power cut loses them. */
  failSync: {
    weight: 3,
    nodesMin: 1,
    inject(world, { target, pick }) {
      const node = world.target(target);
      const nth = 1 + Math.floor(pick * 4);
      const { disk } = node;
      world.say(`the sync of ${node.id}'s ${nth}. write from now fails`);
      world.supervisor.excuse(node, 'DISK_FAILED');
      disk.faultWrite(nth, { type: 'failSync', code: 'EIO' });
      return () => replaceDisk(world, node, disk);
    },
  },
  failWrite: {
    weight: 4,
    nodesMin: 1,
    inject(world, { target, pick }) {
      const node = world.target(target);
      const nth = 1 + Math.floor(pick * 4);
      world.say(`${node.id}'s ${nth}. write from now fails`);
      const { disk } = node;
      disk.failWrite(nth, 'EIO');
      world.supervisor.excuse(node, 'DISK_FAILED');
      return () => replaceDisk(world, node, disk);
    },
  },
} satisfies Record<string, Fault>;

/** What is still to come of a fault goes with the power, unless that has happened already. */
function replaceDisk(world: World, node: TestNode, faulty: MemoryDisk): void {
  if (node.disk !== faulty) return;
  world.say(`${node.id} loses power, and gets a sound disk`);
  const isHeld = world.supervisor.isHeld(node);
  world.supervisor.crash(node, world.dice.below(2 ** 30));
  if (!isHeld) world.supervisor.start(node);
}
