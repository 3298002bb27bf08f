/** Clients that read: tails, pages, waits, and questions for the end. */
import { entryLengthBytes } from '../../../proto/limits.js';
import { LogLogError } from '../../../proto/errors.js';
import type { Actor } from './actor.js';
import { batchesIn, entriesIn, fingerprintOf } from './entries.js';

/** How much longer than a wait its answer may take. */
const patienceMs = 1000;

/** Before a tail whose node had a bad disk tries again. */
const brokenTailMs = 1000;

/** How far a tail has got. */
export interface Position {
  /** The one node that it reads from; undefined of one that any node will do for. */
  readonly node: string | undefined;
  next: number;
}

/** Everything from the front on, for ever: from one node, or from any. */
export async function tail(actor: Actor, positions: Set<Position>): Promise<void> {
  const { dice, world, plan } = actor;
  const reachable = world.nodes.filter((_, index) => !plan.unreachable.includes(index));
  const node = dice.chance(0.5) ? dice.pick(reachable).id : undefined;
  const position: Position = { node, next: 0 };
  positions.add(position);
  const pageBytes = Math.ceil(dice.scaled(500, 50_000));
  while (!actor.signal.aborted) {
    try {
      await follow(actor, position, pageBytes);
    } catch (error) {
      if (!(error instanceof LogLogError)) throw error;
      actor.surprise(error, ['CANCELLED', 'CLOSED']);
      await world.cluster.sleep(brokenTailMs);
    }
  }
}

async function follow(actor: Actor, position: Position, pageBytes: number): Promise<void> {
  const { client, name, recorder, signal } = actor;
  const { node } = position;
  let calledAt = recorder.now();
  const from = position.next;
  const options = { from, follow: true, pageBytes, signal, ...(node !== undefined && { node }) };
  for await (const { offset, data } of client.read(options)) {
    const end = offset + entryLengthBytes + data.length;
    const entries = [{ offset, fingerprint: fingerprintOf(data) }];
    const { next } = position;
    recorder.read({ session: name, calledAt, from: next, next: end, entries, stream: 'tail' });
    position.next = end;
    calledAt = recorder.now();
  }
}

/** Pages from anywhere, of any node. */
export async function page(actor: Actor): Promise<void> {
  const { client, dice, name, recorder, world } = actor;
  let known = 0;
  while (!actor.isOver) {
    await actor.pause();
    const node = world.node(dice.below(world.nodes.length)).id;
    const offset = dice.below(known + 1);
    const limit = Math.ceil(dice.scaled(1, 100_000));
    const calledAt = recorder.now();
    try {
      const read = await client.readPage({ offset, limit, node, timeoutMs: 3000 });
      const entries = batchesIn(read.batches)
        .filter(({ header }) => header.kind === 'data')
        .flatMap(entriesIn);
      const { offset: from, next } = read;
      recorder.read({ session: recorder.name(name), calledAt, from, next, entries });
      known = Math.max(known, read.commitOffset);
    } catch (error) {
      if (!(error instanceof LogLogError)) throw error;
      // The node may be behind the one that was asked before.
      actor.surprise(error, ['DEADLINE', 'CLOSED', 'OFFSET_BEYOND_END']);
    }
  }
}

/** Waits at one node for what comes next, on no network: so that its answer tells when it knew. */
export async function wait(actor: Actor): Promise<void> {
  const { dice, name, recorder, world } = actor;
  const { monitor } = world;
  while (!actor.isOver) {
    await actor.pause();
    const index = dice.below(world.nodes.length);
    // One for each: a process that has ended never lets go of it.
    const { signal } = new AbortController();
    const service = world.node(index).reachable;
    const status = await service?.status({}, signal).catch(() => undefined);
    if (service === undefined || status === undefined) continue;
    const waitMs = Math.ceil(dice.scaled(10, 30_000));
    const offset = Math.min(status.commitOffset, status.durableOffset);
    const session = recorder.name(name);
    const calledAt = recorder.now();
    let readableAt: number | null = null;
    const watch = monitor.whenReadable(index, offset, () => (readableAt = recorder.now()));
    const answer = service
      .read({ offset, limit: 10_000, waitMs }, signal)
      .then(({ batches }) => (batches.length > 0 ? 'more' : 'nothing'))
      .catch(() => 'failed' as const);
    // A process that has ended never answers.
    const late = world.cluster.sleep(waitMs + patienceMs).then(() => 'failed' as const);
    const outcome = await Promise.race([answer, late]);
    monitor.forget(watch);
    recorder.wait({ session, calledAt, offset, waitMs, outcome, readableAt });
  }
}

export async function askForTheEnd(actor: Actor): Promise<void> {
  const { client, dice, name, recorder } = actor;
  while (!actor.isOver) {
    await actor.pause();
    const linearizable = dice.chance(0.7);
    const calledAt = recorder.now();
    try {
      const { dataEnd } = await client.end({ linearizable, timeoutMs: 5000 });
      // One node after the other may be asked, each as far as it has got.
      const session = linearizable ? name : recorder.name(name);
      recorder.end(session, calledAt, dataEnd, linearizable);
    } catch (error) {
      if (!(error instanceof LogLogError)) throw error;
      actor.surprise(error, ['DEADLINE', 'CLOSED']);
    }
  }
}
