/** Partial partitions: which node still reaches which. */
import type { NodeId } from '../../server/raft/types.js';

export type Reaches = (from: NodeId, to: NodeId) => boolean;

/** Nodes reach those of their own group only, like a majority and a minority. */
export function split(...groups: readonly (readonly NodeId[])[]): Reaches {
  return (from, to) => groups.some((group) => group.includes(from) && group.includes(to));
}

/** Two halves that do not reach each other, and one node that reaches both and both reach. */
export function bridge(ids: readonly NodeId[], over: NodeId): Reaches {
  const ends = ids.filter((id) => id !== over);
  const half = ends.slice(0, ends.length >> 1);
  const halves = split(half, ends.slice(half.length));
  return (from, to) => from === over || to === over || halves(from, to);
}

/** Every node reaches only its two neighbours: of five, all see a majority, no two the same. */
export function ring(ids: readonly NodeId[]): Reaches {
  return (from, to) => {
    const distance = Math.abs(ids.indexOf(from) - ids.indexOf(to));
    return distance <= 1 || distance === ids.length - 1;
  };
}
