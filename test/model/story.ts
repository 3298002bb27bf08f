/** Retells how a state was reached. */
import type { Cluster } from './cluster.js';
import { nodeIds } from './node.js';
import type { NodeState } from './node.js';
import type { Happening } from './step.js';

/** One line for everything that happened, by the places of the choices among their like. */
export function tell(cluster: Cluster, path: readonly number[]): string[] {
  const lines: string[] = [];
  let world = cluster.start();
  for (const [number, place] of path.entries()) {
    const choice = cluster.choices(world)[place];
    if (choice === undefined) throw new Error('the path leads nowhere');
    const what = describe(cluster.happening(choice.happening));
    const line = `${number + 1}. ${nodeIds[choice.index]}: ${what}`;
    try {
      world = cluster.follow(world, choice) ?? world;
    } catch {
      return [...lines, line];
    }
    const node = world.nodes[choice.index];
    lines.push(node === undefined ? line : `${line}\n     ${portray(cluster.node(node))}`);
  }
  return lines;
}

function describe(happening: Happening): string {
  if (happening.type !== 'deliver') {
    const { type, ...rest } = happening;
    return Object.keys(rest).length === 0 ? type : `${type} ${JSON.stringify(rest)}`;
  }
  const { from, incarnations, message } = happening.parcel;
  const { type, ...rest } = message;
  const wait = happening.patient ? '' : ', having heard no leader for long';
  return `takes ${type} from ${from}.${incarnations[0]} ${JSON.stringify(rest)}${wait}`;
}

function portray(node: NodeState): string {
  const { core } = node;
  const { log } = core;
  return [
    `${core.role.type}.${core.incarnation} in term ${core.term}`,
    ...(node.admitted === node.incarnation ? [] : ['not admitted']),
    `disk ${node.term}/${node.vote ?? '-'}`,
    `log ${node.written || '-'}`,
    ...(node.durable === node.written ? [] : [`durable ${node.durable || '-'}`]),
    `committed ${log.commitOffset} of ${log.endOffset}`,
    ...(node.queue.length > 0 ? ['saving'] : []),
    ...(node.reports.length > 0 ? ['the disk has news'] : []),
  ].join(', ');
}
