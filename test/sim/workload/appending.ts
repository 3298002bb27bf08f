/** Clients that append through the real client, in every way that it has. */
import { LogLogError } from '../../../proto/errors.js';
import type { Actor } from './actor.js';
import { fingerprintOf } from './entries.js';

const burstMax = 5;

/** Many entries in order; a writer never fails, since what it is given has no deadline. */
export async function write(actor: Actor): Promise<void> {
  const writer = actor.client.writer({ batchBytes: 4000 });
  const answers: Promise<unknown>[] = [];
  while (!actor.isOver) {
    await actor.pause();
    for (let left = 1 + actor.dice.below(burstMax); left > 0; left -= 1) {
      const entry = actor.entry();
      const append = actor.begin([entry]);
      const told = writer
        .write(entry)
        .then(({ durable }) => durable)
        .then(({ offset, end }) => ({ offsets: [offset], end }));
      answers.push(actor.settle(append, told, []));
    }
  }
  await Promise.all(answers);
}

/** Single appends, and small batches, with deadlines. */
export async function append(actor: Actor): Promise<void> {
  const { client, dice } = actor;
  while (!actor.isOver) {
    await actor.pause();
    const count = dice.chance(0.8) ? 1 : 1 + dice.below(4);
    const entries = Array.from({ length: count }, () => actor.entry());
    const timeoutMs = Math.ceil(dice.scaled(5, 20_000));
    const opened = actor.begin(entries);
    await actor.settle(opened, client.append(entries, { timeoutMs }), ['DEADLINE']);
  }
}

/** Appends that demand an expected end. */
export async function appendWhereExpected(actor: Actor): Promise<void> {
  const { client, dice } = actor;
  let expect = 0;
  while (!actor.isOver) {
    await actor.pause();
    const entry = actor.entry();
    const opened = actor.begin([entry], expect);
    const told = client.append(entry, { expect, timeoutMs: Math.ceil(dice.scaled(50, 30_000)) });
    const answer = await actor.settle(opened, told, ['CONDITION_FAILED', 'DEADLINE']);
    expect = answer.end ?? expect;
    // Nobody else may have appended since, so others are asked for the end now and then.
    if (dice.chance(0.2)) expect = await newestEnd(actor, expect);
  }
}

/** Sets fencing tokens, and appends that demand the one that it set last. */
export async function fence(actor: Actor): Promise<void> {
  const { client, dice, recorder } = actor;
  let token: string | undefined;
  while (!actor.isOver) {
    await actor.pause();
    const timeoutMs = Math.ceil(dice.scaled(100, 30_000));
    if (token === undefined || dice.chance(0.1)) {
      token = recorder.name(actor.name);
      const isSet = await client.fence(Buffer.from(token), { timeoutMs }).catch(ignoreDeadline);
      if (isSet === undefined) token = undefined;
      continue;
    }
    const entry = actor.entry();
    recorder.tokens.set(fingerprintOf(entry), token);
    const opened = actor.begin([entry]);
    const told = client.append(entry, { token: Buffer.from(token), timeoutMs });
    const answer = await actor.settle(opened, told, ['TOKEN_MISMATCH', 'DEADLINE']);
    if (answer instanceof LogLogError) token = undefined;
  }
}

/** Clients of the same name that append and are gone, whatever is still on its way. */
export async function appendAndDie(actor: Actor): Promise<void> {
  const { dice, world } = actor;
  while (!actor.isOver) {
    await actor.pause();
    const client = world.cluster.client(actor.name);
    const answers = Array.from({ length: 1 + dice.below(burstMax) }, () => {
      const entry = actor.entry();
      const opened = actor.beginAlone(entry);
      return actor.settle(opened, client.append(entry), ['DEADLINE']);
    });
    await world.cluster.sleep(dice.scaled(0.5, 3000));
    await client.close({ timeoutMs: 0 }).catch(ignoreDeadline);
    await Promise.all(answers);
  }
}

async function newestEnd(actor: Actor, otherwise: number): Promise<number> {
  const reply = await actor.client.end({ timeoutMs: 5000 }).catch(ignoreDeadline);
  return reply?.dataEnd ?? otherwise;
}

function ignoreDeadline(error: unknown): undefined {
  if (error instanceof LogLogError && ['DEADLINE', 'CLOSED'].includes(error.code)) return undefined;
  throw error;
}
