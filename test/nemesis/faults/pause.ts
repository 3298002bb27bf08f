/** SIGSTOP for longer than an election takes. */
import { electionTimeoutMs } from '../cluster.js';
import { between } from '../worker.js';
import type { Fault, FaultContext } from './fault.js';
import { pick, runningLeader } from './fault.js';

const pausedMs = { min: 2 * electionTimeoutMs, max: 10 * electionTimeoutMs };

export const pauseOne: Fault = async (context) => {
  const { targets } = context.cluster;
  if (targets.length > 0) await pauseFor(context, pick(context.random, targets));
};

export const pauseLeader: Fault = async (context) => {
  const leader = await runningLeader(context);
  if (leader !== undefined) await pauseFor(context, leader);
};

async function pauseFor(context: FaultContext, id: string): Promise<void> {
  const process = context.cluster.process(id);
  const durationMs = between(context.random, pausedMs.min, pausedMs.max);
  process?.pause();
  context.injected(`${id} for ${durationMs} ms`);
  await context.pause(durationMs);
  process?.resume();
}
