/** Drives a peer by a client of this process: the same loops for all that have one. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Latencies } from '../../cli/bench/latency.js';
import { Payload } from '../../cli/bench/payload.js';
import { Tally } from '../../cli/bench/tally.js';
import type { Measured } from './contender.js';
import type { ReadWorkload, TailWorkload, Workload } from './workloads.js';

const quietTimeoutMs = 30_000;

const warmUpSecondsMin = 2;

/**
 * Half the measured time besides, at least: at a few hundred appends a second, a node's code is
 * compiled only after some seconds, and what is asked for is the speed of a cluster that runs.
 */
export function warmUpSecondsFor(seconds: number): number {
  return Math.max(seconds / 2, warmUpSecondsMin);
}

/** A peer's log, with a client connected to the node that leads. */
export interface PeerLog {
  /** Resolves when the entry is acknowledged; its bytes stay as they are until then. */
  append(entry: Buffer): Promise<void>;
  /** How many appends in flight go through fastest. */
  bulkInFlight(entryBytes: number): number;
  /** Appends the entry so often, as fast as that goes. */
  fill(entry: Buffer, count: number): Promise<void>;
  /** One pass over all entries, from the first one on. */
  readAll(onEntry: (bytes: number) => void): Promise<void>;
  /** `onEntry` is called for what is appended from now on, by a node that does not lead. */
  tail(onEntry: (bytes: number) => void): Promise<void>;
}

export async function measurePeer(
  log: PeerLog,
  workload: Workload,
  seconds: number,
): Promise<Measured> {
  switch (workload.kind) {
    case 'append':
      return appendFor(log, workload.entryBytes, workload.inFlight, seconds);
    case 'bulk': {
      const inFlight = log.bulkInFlight(workload.entryBytes);
      return { ...(await appendFor(log, workload.entryBytes, inFlight, seconds)), latencyMs: null };
    }
    case 'read':
      return readFor(log, workload, seconds);
    case 'tail':
      return tailFor(log, workload, seconds);
  }
}

async function appendFor(
  log: PeerLog,
  entryBytes: number,
  inFlight: number,
  seconds: number,
): Promise<Measured> {
  const entry = new Payload(entryBytes).entry();
  const latencies = new Latencies();
  const tally = new Tally({ seconds, warmUpSeconds: warmUpSecondsFor(seconds) });
  const appendInTurn = async () => {
    let calledMs = performance.now();
    while (calledMs < tally.endMs) {
      await log.append(entry);
      const nowMs = performance.now();
      if (tally.add(nowMs, 1, entryBytes)) latencies.record(nowMs - calledMs);
      calledMs = nowMs;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, appendInTurn));
  return { ...tally.measured(performance.now()), latencyMs: latencies.summary };
}

async function readFor(log: PeerLog, workload: ReadWorkload, seconds: number): Promise<Measured> {
  const { entryBytes, totalBytes } = workload;
  const count = Math.ceil(totalBytes / entryBytes);
  await log.fill(new Payload(entryBytes).entry(), count);
  const pass = async () => {
    let entries = 0;
    await log.readAll((bytes) => {
      checkLength(bytes, entryBytes);
      entries += 1;
    });
    if (entries !== count) throw new Error(`${entries} entries were read, not ${count}`);
  };
  await pass();
  const beginMs = performance.now();
  let passes = 0;
  let elapsedMs = 0;
  while (elapsedMs < 1000 * seconds) {
    await pass();
    passes += 1;
    elapsedMs = performance.now() - beginMs;
  }
  return { entries: passes * count, seconds: elapsedMs / 1000, latencyMs: null };
}

/** Calls `work` so often, with so many calls on their way at a time. */
export async function repeat(
  count: number,
  inFlight: number,
  work: () => Promise<void>,
): Promise<void> {
  let left = count;
  const workInTurn = async () => {
    while (left > 0) {
      left -= 1;
      await work();
    }
  };
  await Promise.all(Array.from({ length: inFlight }, workInTurn));
}

async function tailFor(log: PeerLog, workload: TailWorkload, seconds: number): Promise<Measured> {
  const { entryBytes } = workload;
  const entry = new Payload(entryBytes).entry();
  const arrivals = new Arrivals(entryBytes);
  await log.tail((bytes) => arrivals.add(bytes));
  const latencies = new Latencies();
  const tally = new Tally({ seconds, warmUpSeconds: warmUpSecondsFor(seconds) });
  while (performance.now() < tally.endMs) {
    const arrival = arrivals.next();
    // If the append fails nobody waits for it.
    arrival.catch(() => {});
    await log.append(entry);
    const acknowledgedMs = performance.now();
    const arrivedMs = await arrival;
    if (tally.add(arrivedMs, 1, entryBytes)) {
      latencies.record(Math.max(0, arrivedMs - acknowledgedMs));
    }
  }
  return { ...tally.measured(performance.now()), latencyMs: latencies.summary };
}

/** Entries that a tail reader sees, one at a time. */
class Arrivals {
  readonly #entryBytes: number;
  #onNext: ((atMs: number) => void) | undefined;

  constructor(entryBytes: number) {
    this.#entryBytes = entryBytes;
  }

  add(bytes: number): void {
    const atMs = performance.now();
    checkLength(bytes, this.#entryBytes);
    this.#onNext?.(atMs);
  }

  /** When the next one was here. */
  async next(): Promise<number> {
    const quiet = new AbortController();
    const arrived = new Promise<number>((resolve) => (this.#onNext = resolve));
    const late = sleep(quietTimeoutMs, undefined, { signal: quiet.signal }).then(() => {
      throw new Error(`an entry was not seen within ${quietTimeoutMs} ms`);
    });
    try {
      return await Promise.race([arrived, late]);
    } finally {
      late.catch(() => {});
      quiet.abort();
    }
  }
}

function checkLength(bytes: number, expected: number): void {
  if (bytes !== expected) throw new Error(`an entry of ${bytes} bytes was read, not ${expected}`);
}
