/**
 * A node's directory is put back from an older copy. Where the nodes that have heard more of it run
 * on and are in reach, it must come back as another incarnation; elsewhere nobody could tell
 * (docs/OPERATIONS.md), so nothing else happens meanwhile.
 */
import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ReachableNode } from '../../../index.js';
import { HardState } from '../../../server/log/hard-state.js';
import { systemDisk } from '../../../server/log/system-disk.js';
import { leaderOf } from '../cluster.js';
import { between } from '../worker.js';
import type { FaultContext } from './fault.js';
import { onOneNode, whileDown } from './while-down.js';

const caughtUpMs = 30_000;
/**
 * How long the node goes on behind the copy: in this time all links come up again, and the others
 * hear of it.
 */
const olderMs = { min: 2000, max: 5000 };
const copyAttemptsMax = 10;

/** What is lost with the difference between the directory and the copy. */
interface Loss {
  /** Another node has heard the node in a later term than the copy's. */
  readonly term: boolean;
  /** The node has acknowledged more to this leader than the copy has. */
  readonly toLeader: ReachableNode | undefined;
}

export const olderCopy = onOneNode((context, id) =>
  context.cluster.calmly(() => putBack(context, id)),
);

async function putBack(context: FaultContext, id: string): Promise<void> {
  const { cluster, story } = context;
  let loss: Loss | undefined;
  const back = await whileDown(context, id, async (directory) => {
    const copy = join(cluster.volumes.root, `${id}.older`);
    loss = await goOnBehind(context, id, copy);
    await rm(directory, { recursive: true });
    await cp(copy, directory, { recursive: true });
    await rm(copy, { recursive: true });
    context.injected(id);
    return 'changed';
  });
  if (back === undefined || loss === undefined) return;
  const leader = leaderOf(await cluster.statuses());
  const { term, toLeader } = loss;
  const isRemembered =
    leader !== undefined && leader.id === toLeader?.id && leader.term === toLeader.term;
  const who = back.isAnother ? `another one, ${back.incarnation}` : 'the one that it was';
  story.note(`older-copy: ${id} is ${who}`);
  if (back.isAnother || !(term || isRemembered)) return;
  story.problem(`${id} was put back to an older copy, and goes on as the one that it was`);
}

/** Copies the node's directory and lets it run on; it is down before and behind that. */
async function goOnBehind(context: FaultContext, id: string, copy: string): Promise<Loss> {
  const { cluster, random, story } = context;
  const directory = cluster.volumes.dataOf(id);
  const isLive = random.fraction() < 0.5;
  story.note(`older-copy: ${id} is copied while it is ${isLive ? 'running' : 'down'}`);
  if (!isLive) await cp(directory, copy, { recursive: true });
  await cluster.start(id);
  if (isLive) await copyLive(directory, copy);
  const then = await cluster.statuses();
  const { term } = await HardState.peek(systemDisk, copy);
  await cluster.caughtUp(id, caughtUpMs);
  await sleep(between(random, olderMs.min, olderMs.max));
  const now = (await cluster.statuses()).get(id);
  await cluster.kill([id]);
  const leader = leaderOf(then);
  const copiedAtMost = Math.max(...[...then.values()].map(({ endOffset }) => endOffset));
  const hasGoneOn = now !== undefined && now.durableOffset > copiedAtMost;
  return {
    term: now !== undefined && now.term > term,
    toLeader: hasGoneOn && leader?.id !== id ? leader : undefined,
  };
}

/** Files come and go meanwhile: a copy that fails is begun anew. */
async function copyLive(directory: string, copy: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await cp(directory, copy, { recursive: true });
    } catch (error) {
      if (attempt === copyAttemptsMax) throw error;
      await rm(copy, { recursive: true, force: true });
    }
  }
}
