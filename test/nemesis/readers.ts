/** Clients that read: tails of every node, pages anywhere, waits at the end, ends of the log. */
import { verifyPage } from '../../client/page.js';
import { entriesOf } from '../../proto/entries.js';
import { entryLengthBytes } from '../../proto/limits.js';
import type { Page } from '../../index.js';
import { LogLogError } from '../../index.js';
import type { FoundEntry } from '../checker/history.js';
import type { Recorder } from './recorder.js';
import type { Sightings } from './sightings.js';
import type { Worker } from './worker.js';
import { answered, between, pause } from './worker.js';

/** Entries and time that one read operation of a tail takes in. */
const tailEntriesMax = 256;
const tailMsMax = 100;
const tailPageBytes = 64 * 1024;

const pageLimits = [1, 1500, 10_000] as const;
const pagePauseMs = 400;
const waitPauseMs = 100;
const waitMs = { min: 200, max: 3000 };
const endPauseMs = 150;
/** A wait ends this long after its time at the latest, whatever the faults. */
export const callTimeoutMs = 20_000;

/** Everything that `node` has, from the start, for as long as the run takes. */
export async function tail(worker: Worker, node: string, sightings: Sightings): Promise<void> {
  const { client, ending, recorder, story } = worker;
  let from = 0;
  let calledAt = recorder.now();
  let found: FoundEntry[] = [];
  const note = (next: number) => {
    const call = { session: `tail of ${node}`, calledAt, returnedAt: recorder.now() };
    recorder.add({ type: 'read', ...call, from, next, entries: found, stream: 'tail' });
    [from, calledAt, found] = [next, recorder.now(), []];
  };
  while (!ending.aborted) {
    try {
      const options = { from, follow: true, node, pageBytes: tailPageBytes, signal: ending };
      for await (const { offset, data } of client.read(options)) {
        sightings.saw(node, offset);
        found.push({ offset, fingerprint: recorder.contents.fingerprintOf(data) });
        const isEnough = found.length >= tailEntriesMax || recorder.now() > calledAt + tailMsMax;
        if (isEnough) note(offset + entryLengthBytes + data.length);
      }
    } catch (error) {
      if (!(error instanceof LogLogError)) throw error;
      if (!ending.aborted) story.problem(`tail of ${node}: ${error.code} ${error.message}`);
      found = [];
      await pause(worker, tailMsMax);
    }
  }
}

/** Pages from anywhere, of one node or of any. */
export async function readPages(worker: Worker, session: string, nodes: string[]): Promise<void> {
  const { client, random, recorder } = worker;
  while (!worker.ending.aborted) {
    await pause(worker, random.fraction() * pagePauseMs);
    const end = await answered(
      worker,
      session,
      client.end({ linearizable: false, timeoutMs: callTimeoutMs }),
    );
    if (end === undefined) continue;
    const node = nodes[between(random, 0, nodes.length + 1)];
    const request = {
      offset: between(random, 0, end.end),
      limit: pageLimits[between(random, 0, pageLimits.length)] ?? 1,
      timeoutMs: callTimeoutMs,
      ...(node !== undefined && { node }),
    };
    const calledAt = recorder.now();
    const page = await answered(worker, session, client.readPage(request));
    if (page === undefined) continue;
    const call = { session, calledAt, returnedAt: recorder.now() };
    const { offset: from, next } = page;
    recorder.add({ type: 'read', ...call, from, next, entries: entriesIn(page, recorder) });
  }
}

/** Reads at the end of what `node` has, which wait for more. */
export async function waitForMore(
  worker: Worker,
  node: string,
  sightings: Sightings,
): Promise<void> {
  const { client, random, recorder } = worker;
  const session = `wait at ${node}`;
  let offset = 0;
  while (!worker.ending.aborted) {
    const wait = between(random, waitMs.min, waitMs.max);
    const request = { offset, limit: 1, waitMs: wait, node, timeoutMs: callTimeoutMs + wait };
    const watch = sightings.watch(node, offset);
    const calledAt = recorder.now();
    const page = await answered(worker, session, client.readPage(request));
    const returnedAt = recorder.now();
    const readableAt = watch.end();
    if (page !== undefined) {
      const outcome = page.next > offset ? 'more' : 'nothing';
      // A change of leader ends a wait early, and on a slow link its answer may be overtaken by
      // what others get next, however late it comes.
      const mayBeOvertaken = page.commitOffset <= offset && (readableAt ?? Infinity) > calledAt;
      const call = {
        session,
        calledAt,
        returnedAt,
        readableAt: mayBeOvertaken ? null : readableAt,
      };
      recorder.add({ type: 'wait', ...call, offset, waitMs: wait, outcome });
      offset = Math.max(offset, page.commitOffset);
    }
    await pause(worker, random.fraction() * waitPauseMs);
  }
}

export async function askForEnds(
  worker: Worker,
  session: string,
  { linearizable }: { readonly linearizable: boolean },
): Promise<void> {
  const { client, random, recorder } = worker;
  while (!worker.ending.aborted) {
    const calledAt = recorder.now();
    const call = client.end({ linearizable, timeoutMs: callTimeoutMs });
    const end = await answered(worker, session, call);
    const returnedAt = recorder.now();
    if (end !== undefined) {
      const { dataEnd } = end;
      recorder.add({ type: 'end', session, calledAt, returnedAt, dataEnd, linearizable });
    }
    await pause(worker, random.fraction() * endPauseMs);
  }
}

/** The data entries of a page that a client has got and verified. */
export function entriesIn(page: Page, { contents }: Recorder): FoundEntry[] {
  return verifyPage(page, page.offset)
    .filter(({ header }) => header.kind === 'data')
    .flatMap((batch) =>
      [...entriesOf(batch)].map(({ offset, data }) => ({
        offset,
        fingerprint: contents.fingerprintOf(data),
      })),
    );
}
