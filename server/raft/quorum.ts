/** What a majority is. All arithmetic on the membership is here, on the whole configuration. */
import { assert } from './assert.js';
import type { Configuration, NodeId } from './types.js';

export function isVoter(configuration: Configuration, id: NodeId): boolean {
  return configuration.voters.includes(id);
}

export function isMember(configuration: Configuration, id: NodeId): boolean {
  return isVoter(configuration, id) || configuration.learners.includes(id);
}

/** Every other node, voters first. */
export function peersOf(configuration: Configuration, id: NodeId): NodeId[] {
  return [...configuration.voters, ...configuration.learners].filter((peer) => peer !== id);
}

/** Whether the nodes that satisfy `agrees` decide: learners never count. */
export function isQuorum(configuration: Configuration, agrees: (id: NodeId) => boolean): boolean {
  return 2 * configuration.voters.filter(agrees).length > configuration.voters.length;
}

/** Whether the node decides everything by itself. */
export function isAlone(configuration: Configuration, id: NodeId): boolean {
  return isQuorum(configuration, (voter) => voter === id);
}

/** The largest value that a quorum has reached. */
export function quorumValue(configuration: Configuration, valueOf: (id: NodeId) => number): number {
  const descending = configuration.voters.map(valueOf).sort((a, b) => b - a);
  const value = descending[Math.floor(descending.length / 2)];
  assert(value !== undefined, 'a configuration has voters');
  return value;
}
