/** Appends, so many on their way at a time, each of which waits for its own acknowledgement. */
import type { Client } from '../../index.js';
import type { LatencyMs } from './latency.js';
import { Latencies } from './latency.js';
import { Ledger } from './ledger.js';
import { Payload } from './payload.js';
import type { Measured, Span } from './tally.js';
import { Tally } from './tally.js';

export interface AppendBench extends Span {
  readonly entryBytes: number;
  readonly inFlight: number;
  readonly onStart?: (tally: Tally) => void;
}

export interface Appended extends Measured {
  /** From the call to the acknowledgement. */
  readonly latencyMs: LatencyMs | null;
  readonly ledger: Ledger;
}

/** Counts what is acknowledged within the measured time. Rejects if any append fails. */
export async function appendFor(client: Client, options: AppendBench): Promise<Appended> {
  const { entryBytes, inFlight, onStart } = options;
  const ledger = new Ledger(new Payload(entryBytes), 1);
  const latencies = new Latencies();
  const tally = new Tally(options);
  onStart?.(tally);
  // A buffer of its own for each: the client may still read it until the entry is acknowledged.
  const appendInTurn = async () => {
    const entry = ledger.payload.entry();
    let calledMs = performance.now();
    while (calledMs < tally.endMs) {
      const sequence = ledger.next(entry);
      const position = await client.append(entry);
      const nowMs = performance.now();
      ledger.acknowledged(sequence, position);
      if (tally.add(nowMs, 1, entryBytes)) latencies.record(nowMs - calledMs);
      calledMs = nowMs;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, appendInTurn));
  const measured = tally.measured(performance.now());
  return { ...measured, latencyMs: latencies.summary, ledger };
}
