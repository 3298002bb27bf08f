/**
 * Changes the directory of a node while it is down, and waits until it is one of them again. One
 * node at a time: the next one has its turn when this one is back and has all that the others have.
 */
import { systemDisk } from '../../../server/log/system-disk.js';
import { loadIdentity } from '../../../server/log/identity.js';
import { assert } from '../../../proto/errors.js';
import type { Fault, FaultContext } from './fault.js';
import { pick } from './fault.js';

const caughtUpMs = 90_000;

export interface Back {
  readonly incarnation: number;
  /** Whether it has another incarnation than before its directory was changed. */
  readonly isAnother: boolean;
}

/** Undefined if it did not come back, which has been told, or if nothing was changed. */
export async function whileDown(
  { cluster, story }: FaultContext,
  id: string,
  change: (directory: string) => Promise<'changed' | 'unchanged'>,
): Promise<Back | undefined> {
  const directory = cluster.volumes.dataOf(id);
  await cluster.kill([id]);
  const before = await loadIdentity(systemDisk, directory);
  assert(before !== undefined, 'a node that has caught up has an identity');
  const changed = await change(directory);
  const end = await cluster.start(id);
  if (end !== undefined) {
    // It stays claimed: as long as no second one is lost, the others have everything.
    story.problem(`${id} does not start again: ${end.how}`, end.lastLines);
    return undefined;
  }
  cluster.release(id);
  const status = await cluster.caughtUp(id, caughtUpMs);
  if (status === undefined) {
    cluster.claim(id);
    story.problem(`${id} has not caught up within ${caughtUpMs} ms`);
    return undefined;
  }
  if (changed === 'unchanged') return undefined;
  const { incarnation } = status;
  return { incarnation, isAnother: incarnation !== before.incarnation };
}

/** A fault of one node, which nobody else may stop or start until `whileDown` releases it. */
export function onOneNode(inject: (context: FaultContext, id: string) => Promise<void>): Fault {
  return async (context) => {
    const { cluster, random } = context;
    if (cluster.targets.length === 0 || cluster.isAnyClaimed) return;
    const id = pick(random, cluster.targets);
    cluster.claim(id);
    await inject(context, id);
  };
}
