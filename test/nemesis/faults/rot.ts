/** Flipped and cut bytes in the files of a node while it is down. */
import { setTimeout as sleep } from 'node:timers/promises';
import { damageFile } from './damage.js';
import type { FaultContext } from './fault.js';
import { timesLogged } from './fault.js';
import { onOneNode, whileDown } from './while-down.js';

const cutShare = 0.3;
/** As docs/OPERATIONS.md has it. */
const repairedMessage = 'repaired the log from other nodes';
/** A scrub of the whole log; each restart of the node begins it anew. */
const repairedMs = 120_000;
const repairedPollMs = 100;

export const rot = onOneNode(async (context, id) => {
  const { cluster, random } = context;
  if (random.fraction() >= cutShare) return damage(context, id, 'flipped');
  // The end of the log may be cut without a trace: only nodes that have run on know of it.
  await cluster.calmly(() => damage(context, id, 'cut'));
});

async function damage(context: FaultContext, id: string, kind: 'flipped' | 'cut'): Promise<void> {
  const { cluster, random, story } = context;
  const before = await timesLogged(cluster, id, repairedMessage);
  let mustBeRepaired = false;
  const back = await whileDown(context, id, async (directory) => {
    const damaged = await damageFile(directory, kind, random);
    if (damaged === undefined) return 'unchanged';
    ({ mustBeRepaired } = damaged);
    context.injected(`${id}: ${damaged.what}`);
    return 'changed';
  });
  if (back === undefined) return;
  if (back.isAnother) story.note(`rot: ${id} is another incarnation now, ${back.incarnation}`);
  const repairedByStart = (await timesLogged(cluster, id, repairedMessage)) > before;
  if (!mustBeRepaired || back.isAnother || repairedByStart) return;
  await expectScrubbed(context, id, before);
}

/** The damage lies where the start did not read: the scrubber finds it, or somebody who reads. */
async function expectScrubbed(
  { cluster, story }: FaultContext,
  id: string,
  before: number,
): Promise<void> {
  const process = cluster.process(id);
  const end = performance.now() + repairedMs;
  while ((await timesLogged(cluster, id, repairedMessage)) === before) {
    if (performance.now() > end) {
      return story.problem(`${id} has not repaired its log within ${repairedMs} ms`);
    }
    await sleep(repairedPollMs);
  }
  const repairs = (await cluster.statuses()).get(id)?.repairs;
  if (cluster.process(id) === process && repairs?.ranges === 0) {
    story.problem(`${id} has repaired its log, and its status does not say so`);
  }
  story.note(`rot: ${id} has repaired its log while running`);
}
