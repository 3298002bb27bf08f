/** Clients that append: writers at a steady rate, single appends, appends where nobody came first. */
import type { Appended, ErrorCode, Position } from '../../index.js';
import type { Attempt } from './recorder.js';
import type { Worker } from './worker.js';
import { answered, between, pause } from './worker.js';

/** Without an answer; then a writer takes no more until there is one. */
const writerInFlightMax = 2500;
const writerPauseMs = 20;
/** How long a writer lives before another takes its place. */
const writerMs = { min: 10_000, max: 30_000 };
/** How long a writer that ends waits for its answers. */
const writerCloseMs = 5000;
/** Of the last one of a run, when all is healed. */
const lastCloseMs = 60_000;

const appendTimeoutMs = 20_000;
/** Now and then one that faults will exceed. */
const shortTimeout = { share: 0.02, minMs: 5, maxMs: 300 };
const appendPauseMs = 60;
const entriesMax = 4;

const expected: ReadonlySet<ErrorCode> = new Set(['DEADLINE', 'CANCELLED', 'CLOSED']);

/** Writers one after the other; `perSecond` entries on average, later ones for those missed. */
export async function write(worker: Worker, name: string, perSecond: number): Promise<void> {
  const { ending, random } = worker;
  const startedAt = performance.now();
  let written = 0;
  for (let life = 1; !ending.aborted; life += 1) {
    const endsAt = performance.now() + between(random, writerMs.min, writerMs.max);
    const writer = worker.client.writer({ batchBytes: between(random, 500, 20_000) });
    let inFlight = 0;
    while (!ending.aborted && performance.now() < endsAt) {
      const due = Math.floor(((performance.now() - startedAt) * perSecond) / 1000);
      while (written < due && inFlight < writerInFlightMax) {
        const { attempt, data } = worker.recorder.begin(`${name}.${life}`, 1);
        const durable = writer.write(data[0] ?? '').then((ticket) => ticket.durable);
        inFlight += 1;
        written += 1;
        void settle(worker, attempt, durable).then(() => (inFlight -= 1));
      }
      await pause(worker, writerPauseMs);
    }
    const timeoutMs = ending.aborted ? lastCloseMs : writerCloseMs;
    // What could not be done is told to each entry.
    await writer.close({ timeoutMs }).catch(() => undefined);
  }
}

/** One append after the other, of one entry or some. */
export async function append(worker: Worker, name: string): Promise<void> {
  const { client, random, recorder } = worker;
  while (!worker.ending.aborted) {
    const isShort = random.fraction() < shortTimeout.share;
    const timeoutMs = isShort
      ? between(random, shortTimeout.minMs, shortTimeout.maxMs)
      : appendTimeoutMs;
    const { attempt, data } = recorder.begin(name, between(random, 1, entriesMax + 1));
    await settle(worker, attempt, client.append(data, { timeoutMs }));
    await pause(worker, random.fraction() * appendPauseMs);
  }
}

/** Appends behind what it knows to be the last data batch; mostly somebody has come first. */
export async function appendWhereExpected(worker: Worker, name: string): Promise<void> {
  const { client, random, recorder } = worker;
  while (!worker.ending.aborted) {
    const end = await answered(worker, name, client.end({ timeoutMs: appendTimeoutMs }));
    if (end !== undefined) {
      const { attempt, data } = recorder.begin(name, 1, end.dataEnd);
      const options = { expect: end.dataEnd, timeoutMs: appendTimeoutMs };
      await settle(worker, attempt, client.append(data, options), ['CONDITION_FAILED']);
    }
    await pause(worker, random.fraction() * appendPauseMs);
  }
}

async function settle(
  { recorder, story }: Worker,
  attempt: Attempt,
  answer: Promise<Position | Appended>,
  refusals: readonly ErrorCode[] = [],
): Promise<void> {
  const error = await recorder.settle(attempt, answer);
  if (error === undefined || expected.has(error.code) || refusals.includes(error.code)) return;
  story.problem(`an append of ${attempt.session}: ${error.code} ${error.message}`);
}
