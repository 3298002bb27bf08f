/** A node's volume has no room left, for a while; the node goes on by itself. */
import { between } from '../worker.js';
import type { Fault } from './fault.js';
import { pick, timesLogged } from './fault.js';

/** As docs/OPERATIONS.md has it. */
const readOnlyMessage = 'read-only until the disk has room';
/** A node that has filled a segment ahead notices only behind it. */
const noticeMs = 20_000;
const noticePollMs = 200;
const fullMs = { min: 1000, max: 5000 };
const caughtUpMs = 60_000;

/** Injected only where the node has noticed it. */
export const fillDisk: Fault = async (context) => {
  const { cluster, random, story } = context;
  const { targets, volumes } = cluster;
  if (targets.length === 0) return;
  const id = pick(random, targets);
  const before = await timesLogged(cluster, id, readOnlyMessage);
  await volumes.fill(id);
  for (let waitedMs = 0; waitedMs < noticeMs; waitedMs += noticePollMs) {
    await context.pause(noticePollMs);
    if ((await timesLogged(cluster, id, readOnlyMessage)) === before) continue;
    context.injected(id);
    await context.pause(between(random, fullMs.min, fullMs.max));
    break;
  }
  await volumes.makeRoom(id);
  if ((await cluster.caughtUp(id, caughtUpMs)) === undefined) {
    story.problem(`${id} does not go on within ${caughtUpMs} ms although its disk has room`);
  }
};
