/** How long after it was appended an entry is seen by a reader that waits for it elsewhere. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client, Entry } from '../../index.js';
import { LogLogError } from '../../proto/errors.js';
import { orDeadline } from '../session.js';
import type { LatencyMs } from './latency.js';
import { Latencies } from './latency.js';
import { Ledger } from './ledger.js';
import { Payload } from './payload.js';
import type { Measured, Span } from './tally.js';
import { Tally } from './tally.js';

const seenTimeoutMs = 30_000;

export interface TailBench extends Span {
  readonly entryBytes: number;
  /** Appends a second, at most; each waits for the one before it to be seen. */
  readonly rate?: number;
  readonly onStart?: (tally: Tally) => void;
}

export interface Tailed extends Measured {
  /** The node that was read from: one that does not lead, if there is one. */
  readonly node: string;
  /** From the call of the append. */
  readonly fromCallMs: LatencyMs | null;
  /** From the acknowledgement; 0 for an entry that was seen before. */
  readonly fromAcknowledgementMs: LatencyMs | null;
  readonly ledger: Ledger;
}

export async function tailFor(client: Client, options: TailBench): Promise<Tailed> {
  const { entryBytes, rate = Infinity, onStart } = options;
  const ledger = new Ledger(new Payload(entryBytes), 1);
  const entry = ledger.payload.entry();
  const fromCall = new Latencies();
  const fromAcknowledgement = new Latencies();
  const node = await nodeToReadFrom(client);
  const { end } = await client.end();
  const tail = client.read({ from: end, follow: true, node })[Symbol.asyncIterator]();
  const tally = new Tally(options);
  onStart?.(tally);
  try {
    let calledMs = performance.now();
    while (calledMs < tally.endMs) {
      const sequence = ledger.next(entry);
      const seen = seenAt(tail, ledger.payload, sequence);
      const acknowledged = client.append(entry).then((position) => {
        ledger.acknowledged(sequence, position);
        return performance.now();
      });
      const what = `the reading of an entry from ${node}`;
      const both = orDeadline(seenTimeoutMs, what, Promise.all([seen, acknowledged]));
      const [seenMs, acknowledgedMs] = await both;
      if (tally.add(seenMs, 1, entryBytes)) {
        fromCall.record(seenMs - calledMs);
        fromAcknowledgement.record(Math.max(0, seenMs - acknowledgedMs));
      }
      const restMs = calledMs + 1000 / rate - performance.now();
      // A timer drops fractions, and would be early.
      if (restMs > 0) await sleep(Math.ceil(restMs));
      calledMs = performance.now();
    }
  } finally {
    await tail.return?.();
  }
  return {
    ...tally.measured(performance.now()),
    node,
    fromCallMs: fromCall.summary,
    fromAcknowledgementMs: fromAcknowledgement.summary,
    ledger,
  };
}

/** When the entry arrived; what others append is passed over. */
async function seenAt(
  tail: AsyncIterator<Entry>,
  payload: Payload,
  sequence: number,
): Promise<number> {
  for (;;) {
    const { done, value } = await tail.next();
    if (done === true) throw new LogLogError('CLOSED', 'the tail has ended');
    if (payload.counterOf(value.data) === sequence % payload.modulus) return performance.now();
  }
}

async function nodeToReadFrom(client: Client): Promise<string> {
  const { leader, nodes } = await client.status();
  const reachable = nodes.filter((node) => node.reachable);
  const node = reachable.find(({ id }) => id !== leader) ?? reachable[0];
  if (node === undefined) throw new LogLogError('UNAVAILABLE', 'no node answers');
  return node.id;
}
