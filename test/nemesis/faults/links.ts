/** Links that are cut, in both directions or in one, that are slow, and networks in parts. */
import type { RandomSource } from '../../../proto/clock.js';
import type { Network, Party } from '../network.js';
import type { Passage } from '../proxy.js';
import { between } from '../worker.js';
import type { Fault, FaultContext } from './fault.js';
import { pick, shuffled } from './fault.js';

const durationMs = { min: 1000, max: 6000 };
const delayMs = { min: 5, max: 250 };

/** One link, between nodes or to a client. */
export const cutLink: Fault = async (context) => {
  const { network } = context.cluster;
  const passage = cut(context.random);
  const [a, b] = pickLink(context);
  network.setBoth(a, b, passage);
  await untilHealed(context, `${a} and ${b}, ${passage.type}`);
};

export const cutOneWay: Fault = async (context) => {
  const { network } = context.cluster;
  const passage: Passage = { type: pick(context.random, ['held', 'discarded']) };
  const [from, to] = shuffled(context.random, pickLink(context));
  if (from === undefined || to === undefined) return;
  network.setDirection(from, to, passage);
  await untilHealed(context, `${from} to ${to}, ${passage.type}`);
};

/** One link, or all those of one node. */
export const delayLinks: Fault = async (context) => {
  const { network } = context.cluster;
  const passage: Passage = {
    type: 'delayed',
    delayMs: between(context.random, delayMs.min, delayMs.max),
  };
  const [a, b] = pickLink(context);
  const others = context.random.fraction() < 0.5 ? [a] : partiesOf(network);
  for (const other of others) if (other !== b) network.setBoth(other, b, passage);
  await untilHealed(context, `${others.join(', ')} and ${b}, ${passage.delayMs} ms`);
};

/** A minority of the nodes, perhaps with a client, and all others do not hear of each other. */
export const partition: Fault = async (context) => {
  const { random, cluster } = context;
  const { network } = cluster;
  const count = between(random, 1, Math.ceil(network.nodes.length / 2));
  const nodes = shuffled(random, network.nodes).slice(0, count);
  const clients = shuffled(random, network.clients).slice(0, between(random, 0, 3));
  const minority = [...nodes, ...clients];
  const passage = cut(random);
  const majority = partiesOf(network).filter((party) => !minority.includes(party));
  for (const a of minority) for (const b of majority) network.setBoth(a, b, passage);
  await untilHealed(context, `${minority.join(', ')} from the others, ${passage.type}`);
};

/** Two halves of the nodes that only one node between them reaches. Clients reach all. */
export const bridge: Fault = async (context) => {
  const { random, cluster } = context;
  const [middle, ...others] = shuffled(random, cluster.ids);
  const half = Math.ceil(others.length / 2);
  const [left, right] = [others.slice(0, half), others.slice(half)];
  const passage = cut(random);
  for (const a of left) for (const b of right) cluster.network.setBoth(a, b, passage);
  await untilHealed(
    context,
    `${left.join(', ')} | ${middle} | ${right.join(', ')}, ${passage.type}`,
  );
};

async function untilHealed(context: FaultContext, what: string): Promise<void> {
  context.injected(what);
  await context.pause(between(context.random, durationMs.min, durationMs.max));
  context.cluster.network.heal();
}

/** The ways in which a link can be gone in both directions. */
function cut(random: RandomSource): Passage {
  return { type: pick(random, ['held', 'discarded', 'closed']) };
}

function partiesOf({ nodes, clients }: Network): readonly Party[] {
  return [...nodes, ...clients];
}

/** Any party and, behind it, a node. */
function pickLink({ random, cluster }: FaultContext): readonly [Party, Party] {
  const { network } = cluster;
  const node = pick(random, network.nodes);
  const other = pick(
    random,
    partiesOf(network).filter((party) => party !== node),
  );
  return [other, node];
}
