/** Ways from clients to nodes that break. */
import type { TestNode } from '../../engine/cluster.js';
import type { Action, ClientPlan } from '../plan.js';
import type { World } from '../world.js';
import type { Fault } from './fault.js';
import { passes } from './fault.js';

export const clientFaults = {
  cutClient: {
    weight: 14,
    nodesMin: 1,
    inject: (world, action) =>
      onWay(world, action, (client, node) => {
        world.say(`${client.name} and ${node.id} are cut`);
        world.cluster.clients.cut(client.name, node.address);
        return () => world.cluster.clients.join(client.name, node.address);
      }),
  },
  /** Requests arrive, and answers do not. */
  loseReplies: {
    weight: 8,
    nodesMin: 1,
    inject: (world, action) =>
      onWay(world, action, (client, node) => {
        world.say(`${client.name} hears nothing of ${node.id}`);
        world.cluster.clients.cutOneWay(client.name, node.address, 'reply');
        return () => world.cluster.clients.join(client.name, node.address);
      }),
  },
  breakUpload: {
    weight: 8,
    nodesMin: 1,
    inject: (world, action) =>
      onWay(world, action, (client, node) => {
        const { pick } = action;
        const afterFrames = Math.floor((pick * 64) % 4);
        const lastFrame = (pick * 256) % 1 < 0.5 ? 'lost' : 'delivered';
        world.say(`an upload of ${client.name} to ${node.id} breaks after ${afterFrames} frames`);
        world.cluster.clients.breakUpload(client.name, node.address, { afterFrames, lastFrame });
        return passes;
      }),
  },
  /** Every client loses the way to the node, as when its address is gone. */
  hide: {
    weight: 5,
    nodesMin: 1,
    inject(world, { target }) {
      const node = world.target(target);
      const index = world.nodes.indexOf(node);
      const { clients } = world.cluster;
      world.say(`no client reaches ${node.id}`);
      const affected = world.plan.clients.filter(({ unreachable }) => !unreachable.includes(index));
      for (const { name } of affected) clients.cut(name, node.address);
      return () => affected.forEach(({ name }) => clients.join(name, node.address));
    },
  },
} satisfies Record<string, Fault>;

/** The way of some client to the node, if there is one that it has. */
function onWay(
  world: World,
  { target, pick }: Action,
  harm: (client: ClientPlan, node: TestNode) => () => void,
): (() => void) | undefined {
  const node = world.target(target);
  const client = clientOf(world, node, pick);
  return client && harm(client, node);
}

/** One that reaches the node, as long as nothing is wrong. */
function clientOf(world: World, node: TestNode, pick: number): ClientPlan | undefined {
  const client = world.plan.clients[Math.floor(pick * world.plan.clients.length)];
  const isApart = client?.unreachable.includes(world.nodes.indexOf(node));
  return isApart === true ? undefined : client;
}
