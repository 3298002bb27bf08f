/** What faults have in common. */
import { readFile } from 'node:fs/promises';
import type { RandomSource } from '../../../proto/clock.js';
import { assert } from '../../../proto/errors.js';
import type { NemesisCluster } from '../cluster.js';
import type { Story } from '../story.js';
import { between } from '../worker.js';

export interface FaultContext {
  readonly cluster: NemesisCluster;
  readonly story: Story;
  readonly random: RandomSource;
  /** Says that the fault has happened, and what it was. */
  injected(what: string): void;
  /** Ends early when the run does: what the fault has done is healed then. */
  pause(durationMs: number): Promise<void>;
}

/** Injects the fault, and heals it before it resolves. */
export type Fault = (context: FaultContext) => Promise<void>;

export function pick<Value>(random: RandomSource, values: readonly Value[]): Value {
  const value = values[between(random, 0, values.length)];
  assert(value !== undefined, 'there is something to choose from');
  return value;
}

export function shuffled<Value>(random: RandomSource, values: readonly Value[]): Value[] {
  const keyed = values.map((value) => ({ value, key: random.fraction() }));
  return keyed.sort((a, b) => a.key - b.key).map(({ value }) => value);
}

/** The leader if there is one that answers and that nobody has claimed. */
export async function runningLeader({ cluster }: FaultContext): Promise<string | undefined> {
  const leader = await cluster.leader();
  return cluster.targets.find((id) => id === leader);
}

/** How often a node has logged a message since the run began. */
export async function timesLogged(
  cluster: NemesisCluster,
  id: string,
  message: string,
): Promise<number> {
  const log = await readFile(cluster.logFileOf(id), 'utf8');
  return log.split(message).length - 1;
}
