/** Links between nodes that are cut, slow, or lose what they carry. */
import type { TestNode } from '../../engine/cluster.js';
import { exponential } from '../../engine/delays.js';
import type { Reaches } from '../../engine/partitions.js';
import { bridge, ring } from '../../engine/partitions.js';
import type { World } from '../world.js';
import type { Fault } from './fault.js';

export const networkFaults = {
  cut: {
    weight: 12,
    nodesMin: 3,
    inject(world, { target, other }) {
      const node = world.target(target);
      const peer = world.node(other);
      return node === peer ? undefined : cutPairs(world, [[node, peer]]);
    },
  },
  isolate: {
    weight: 12,
    nodesMin: 3,
    inject(world, { target }) {
      const node = world.target(target);
      const others = world.nodes.filter((one) => one !== node);
      return cutPairs(
        world,
        others.map((one) => [node, one]),
      );
    },
  },
  /** Two sides that do not see each other; `pick` says who is where. */
  split: {
    weight: 8,
    nodesMin: 3,
    inject(world, { pick }) {
      const sides = world.nodes.map(({ id }, index) => ({
        id,
        side: (pick * 2 ** index) % 1 < 0.5,
      }));
      const sideOf = (wanted: string) => sides.find(({ id }) => id === wanted)?.side;
      return cutWhere(world, (from, to) => sideOf(from) === sideOf(to));
    },
  },
  /** Two halves that only one node connects. */
  bridge: {
    weight: 6,
    nodesMin: 3,
    inject: (world, { other }) => {
      const ids = world.nodes.map(({ id }) => id);
      return cutWhere(world, bridge(ids, world.node(other).id));
    },
  },
  /** Each node sees two neighbours only. */
  ring: {
    weight: 4,
    nodesMin: 5,
    inject: (world) => cutWhere(world, ring(world.nodes.map(({ id }) => id))),
  },
  cutOneWay: {
    weight: 10,
    nodesMin: 3,
    inject(world, { target, other }) {
      const node = world.target(target);
      const peer = world.node(other);
      if (node === peer) return undefined;
      world.say(`cut: from ${node.id} to ${peer.id}`);
      world.cluster.peers.cutOneWay(node.id, peer.id);
      return () => world.cluster.peers.join(node.id, peer.id);
    },
  },
  flap: {
    weight: 4,
    nodesMin: 3,
    inject(world, { target, other, pick }) {
      const node = world.target(target);
      const peer = world.node(other);
      if (node === peer) return undefined;
      world.say(`the link of ${node.id} and ${peer.id} comes and goes`);
      const stop = world.cluster.peers.flap(node.id, peer.id, 100 + 3000 * pick);
      return () => {
        stop();
        world.cluster.peers.join(node.id, peer.id);
      };
    },
  },
  slowNode: {
    weight: 8,
    nodesMin: 3,
    inject(world, { target, pick }) {
      const node = world.target(target);
      const meanMs = 5 + 200 * pick;
      world.say(`messages of ${node.id} take ${meanMs} ms more`);
      node.slow(exponential(meanMs, 10 * meanMs));
      return () => node.slow(null);
    },
  },
  repeat: {
    weight: 6,
    nodesMin: 3,
    inject(world, { pick }) {
      const { peers } = world.cluster;
      world.say(`messages arrive twice, a share of ${pick}`);
      peers.repeatRate = pick;
      return () => (peers.repeatRate = 0);
    },
  },
  weather: {
    weight: 12,
    nodesMin: 3,
    inject(world, { pick }) {
      const { peers } = world.cluster;
      peers.lossRate = pick < 0.5 ? 0 : 0.3 * (pick - 0.5);
      peers.delayMsMax = world.plan.peerDelayMsMax * (1 + 40 * ((pick * 16) % 1));
      world.say(`loss ${peers.lossRate}, delay up to ${peers.delayMsMax} ms`);
      return () => calm(world);
    },
  },
} satisfies Record<string, Fault>;

/** A node that does not get through to another at first tries it again a little later. */
const spreadMsMax = 300;

/** As the plan has the network while nothing is wrong with it. */
export function calm(world: World): void {
  world.cluster.peers.spreadMsMax = spreadMsMax;
  world.cluster.peers.lossRate = 0;
  world.cluster.peers.delayMsMax = world.plan.peerDelayMsMax;
}

type Pair = readonly [TestNode, TestNode];

function cutWhere(world: World, reaches: Reaches): (() => void) | undefined {
  const { nodes } = world;
  const pairs = nodes.flatMap((a, index) =>
    nodes.slice(index + 1).flatMap((b): Pair[] => (reaches(a.id, b.id) ? [] : [[a, b]])),
  );
  return cutPairs(world, pairs);
}

function cutPairs(world: World, pairs: readonly Pair[]): (() => void) | undefined {
  if (pairs.length === 0) return undefined;
  const { peers } = world.cluster;
  world.say(`cut: ${pairs.map(([a, b]) => `${a.id}-${b.id}`).join(' ')}`);
  for (const [a, b] of pairs) peers.cut(a.id, b.id);
  return () => {
    world.say(`joined: ${pairs.map(([a, b]) => `${a.id}-${b.id}`).join(' ')}`);
    for (const [a, b] of pairs) peers.join(a.id, b.id);
  };
}
