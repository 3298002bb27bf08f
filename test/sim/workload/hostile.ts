/** Clients that are mistaken, in a hurry, or lie. What they are told is true all the same. */
import { LogLogError } from '../../../proto/errors.js';
import { encodeEntries } from '../../../proto/entries.js';
import { forge } from '../../node/forgery.js';
import { dataFrame } from '../../node/raw-upload.js';
import type { Actor } from './actor.js';
import { makeEntry } from './entries.js';
import { orderFrame, RawStream, settleRaw } from './raw-stream.js';

const sequencesMax = 12;
const copiesMax = 12;
const floodBodies = 30;
const floodBodyBytes = 640 * 1024;

/** Streams to all nodes that it reaches, under one producer id, with one epoch open. */
interface Session {
  readonly streams: readonly RawStream[];
  /** To the node that led when it opened. */
  readonly leading: RawStream;
  readonly epoch: number;
}

/** Different bytes of equal CRC under one id, to the leader and to the others. */
export async function lie(actor: Actor): Promise<void> {
  await inSessions(actor, async ({ streams, leading, epoch }, sequence) => {
    const entry = actor.entry();
    const wanted = makeEntry(actor.recorder.name(`${actor.name}forged`), entry.length);
    if (wanted.length !== entry.length || entry.length < 8) return true;
    const forged = forge(encodeEntries([entry]), wanted);
    for (const stream of streams) {
      if (stream !== leading) stream.send(dataFrame(epoch, sequence, forged));
    }
    const append = actor.beginAlone(entry);
    const uploadedTo = 2 ** streams.length - 1;
    const answer = await leading.order(orderFrame(epoch, sequence, entry, uploadedTo));
    settleRaw(append, entry, answer);
    return !(answer instanceof LogLogError);
  });
}

/** The same request many times, at all nodes at once. */
export async function storm(actor: Actor): Promise<void> {
  await inSessions(actor, async ({ streams, epoch }, sequence) => {
    const entry = actor.entry();
    const append = actor.beginAlone(entry);
    const frame = orderFrame(epoch, sequence, entry, 0);
    const copies = 1 + actor.dice.below(copiesMax);
    const answers = await Promise.all(
      streams.map((stream) => {
        for (let i = 1; i < copies; i += 1) stream.send(frame);
        return stream.order(frame);
      }),
    );
    const answer = answers.find((one) => !(one instanceof LogLogError));
    const unknown = new LogLogError('DEADLINE', 'nobody leads', { outcome: 'unknown' });
    settleRaw(append, entry, answer ?? unknown);
    return answer !== undefined;
  });
}

/** Two writers that share an id and an epoch, each with entries of its own: one wins. */
export async function share(actor: Actor): Promise<void> {
  await inSessions(actor, async ({ leading, epoch }, sequence) => {
    const twin = new RawStream(actor, actor.world.target('leader').address, producerOf(actor));
    const answers = await Promise.all(
      [leading, twin].map(async (stream) => {
        const entry = actor.entry();
        const append = actor.beginAlone(entry);
        const answer = await stream.order(orderFrame(epoch, sequence, entry, 0));
        settleRaw(append, entry, answer);
        return answer;
      }),
    );
    twin.close();
    return answers.some((answer) => !(answer instanceof LogLogError));
  });
}

/** Bodies that nobody is ever asked to order, from a client that dies in mid-upload. */
export async function abandon(actor: Actor): Promise<void> {
  await inSessions(actor, async ({ streams, epoch }, sequence) => {
    const entry = actor.entry();
    const append = actor.beginAlone(entry);
    for (const stream of streams) {
      if (actor.dice.chance(0.7)) stream.send(dataFrame(epoch, sequence, entry));
    }
    await actor.world.cluster.sleep(actor.dice.scaled(0.1, 100));
    append.end({ type: 'failed', code: 'NEVER_ASKED' });
    return actor.dice.chance(0.5);
  });
}

/** More large bodies than a node has room for. */
export async function flood(actor: Actor): Promise<void> {
  const frame = dataFrame(0, 1, Buffer.alloc(floodBodyBytes, 'flood'));
  await inSessions(actor, async ({ streams, epoch }) => {
    for (let sequence = 1; sequence <= floodBodies; sequence += 1) {
      for (const stream of streams) stream.send({ ...frame, epoch, sequence });
    }
    await actor.world.cluster.sleep(actor.dice.scaled(10, 5000));
    return false;
  });
}

/** `step` is called for each sequence, from 1 on, until it returns false. */
async function inSessions(
  actor: Actor,
  step: (session: Session, sequence: number) => Promise<boolean>,
): Promise<void> {
  while (!actor.isOver) {
    await actor.pause();
    const session = await openSession(actor);
    if (session === undefined) continue;
    const count = 1 + actor.dice.below(sequencesMax);
    for (let sequence = 1; sequence <= count && !actor.isOver; sequence += 1) {
      if (!(await step(session, sequence))) break;
      await actor.pause();
    }
    for (const stream of session.streams) stream.close();
  }
}

async function openSession(actor: Actor): Promise<Session | undefined> {
  const { world, dice, plan } = actor;
  const leader = world.target('leader');
  const reachable = world.nodes.filter((_, index) => !plan.unreachable.includes(index));
  const streams = reachable.map(({ address }) => new RawStream(actor, address, producerOf(actor)));
  const leading = streams[reachable.indexOf(leader)];
  const epoch = await leading?.open(1 + dice.below(2 ** 30));
  if (leading !== undefined && epoch !== undefined) return { streams, leading, epoch };
  for (const stream of streams) stream.close();
  return undefined;
}

/** One for all sessions of the client. */
function producerOf({ name }: Actor): string {
  return Buffer.from(name.padEnd(8, '#')).toString('hex');
}
