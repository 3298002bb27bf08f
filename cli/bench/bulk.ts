/** Entries through a writer, as many as go through: its back-pressure is the only limit. */
import type { Client, Position, Ticket } from '../../index.js';
import type { Appended } from './append.js';
import { Latencies } from './latency.js';
import { Ledger } from './ledger.js';
import { Patience } from './patience.js';
import { Payload } from './payload.js';
import type { Span } from './tally.js';
import { Tally } from './tally.js';

/** Of so many bytes of entries one is timed, and asked for its offset: a promise costs. */
const askedEveryBytes = 4096;
const askedEveryMax = 64;

export interface BulkBench extends Span {
  readonly entryBytes: number;
  readonly onStart?: (tally: Tally) => void;
}

/** Counts what is acknowledged within the measured time; the times are those of a sample. */
export async function bulkFor(client: Client, options: BulkBench): Promise<Appended> {
  const { entryBytes, onStart } = options;
  const latencies = new Latencies();
  const tally = new Tally(options);
  onStart?.(tally);
  let acknowledged = 0;
  const ledger = await write(client, entryBytes, {
    isWanted: (nowMs) => nowMs < tally.endMs,
    onAcknowledged: (sequence, calledMs) => {
      const nowMs = performance.now();
      // All before it are acknowledged with it: a writer keeps the order.
      const entries = sequence + 1 - acknowledged;
      if (tally.add(nowMs, entries, entries * entryBytes)) latencies.record(nowMs - calledMs);
      acknowledged = sequence + 1;
    },
  });
  const measured = tally.measured(performance.now());
  return { ...measured, latencyMs: latencies.summary, ledger };
}

export interface Filling {
  readonly entryBytes: number;
  /** Of entries: a multiple of `entryBytes`, or the next one. */
  readonly totalBytes: number;
  readonly onProgress?: (bytes: number) => void;
}

/** Appends so many bytes of entries. */
export async function fill(client: Client, options: Filling): Promise<Ledger> {
  const { entryBytes, totalBytes, onProgress } = options;
  return write(client, entryBytes, {
    isWanted: (_nowMs, appended) => appended * entryBytes < totalBytes,
    onAcknowledged: (sequence) => onProgress?.(sequence * entryBytes),
  });
}

interface Writing {
  isWanted(nowMs: number, appended: number): boolean;
  /** Of the entries that are asked for, in their order. */
  onAcknowledged(sequence: number, calledMs: number): void;
}

async function write(client: Client, entryBytes: number, writing: Writing): Promise<Ledger> {
  const ledger = new Ledger(new Payload(entryBytes), askedEvery(entryBytes));
  const entry = ledger.payload.entry();
  const writer = client.writer();
  // Everything is flushed by then, or has failed, which write() and flush() have told.
  const end = () => writer.close({ timeoutMs: 1 }).catch(() => {});
  const patience = new Patience(() => void end());
  const ask = (ticket: Ticket, sequence: number, calledMs: number) => {
    const onDurable = (position: Position) => {
      patience.renew();
      ledger.acknowledged(sequence, position);
      writing.onAcknowledged(sequence, calledMs);
    };
    // A failure is told by flush().
    ticket.durable.then(onDurable, () => {});
  };
  try {
    let last: Ticket | undefined;
    let nowMs = performance.now();
    while (writing.isWanted(nowMs, ledger.appended)) {
      const sequence = ledger.next(entry);
      const isAsked = ledger.isAsked(sequence);
      // Looking at the clock takes a sixth of what an entry takes here.
      if (isAsked) nowMs = performance.now();
      last = await writer.write(entry);
      if (isAsked) ask(last, sequence, nowMs);
    }
    await writer.flush();
    if (last !== undefined) ledger.reaches(await last.durable);
    return ledger;
  } catch (error) {
    throw patience.isLost ? patience.error(error) : error;
  } finally {
    patience.end();
    await end();
  }
}

/** A power of two. */
function askedEvery(entryBytes: number): number {
  const entries = Math.floor(Math.log2(Math.max(1, askedEveryBytes / entryBytes)));
  return Math.min(2 ** entries, askedEveryMax);
}
