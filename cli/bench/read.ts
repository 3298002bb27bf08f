/** The whole log, from its start, with every entry decoded. */
import type { Client } from '../../index.js';
import type { Measured } from './tally.js';
import { Tally } from './tally.js';

/** Entries between two looks at the clock. */
const entriesAtOnce = 256;

export interface ReadBench {
  /** Reads again and again for so long; otherwise once, up to the end. */
  readonly seconds?: number;
  readonly warmUpSeconds: number;
  readonly onStart?: (tally: Tally) => void;
}

export interface Read extends Measured {
  /** How often the end was reached. */
  readonly passes: number;
  /** Of the first pass that reached the end; null if none did. */
  readonly entriesInLog: number | null;
}

export async function readAllOf(client: Client, options: ReadBench): Promise<Read> {
  const { seconds = Infinity, warmUpSeconds, onStart } = options;
  await passes(client, new Tally({ seconds: warmUpSeconds, warmUpSeconds: 0 }));
  const tally = new Tally({ seconds, warmUpSeconds: 0 });
  onStart?.(tally);
  const read = await passes(client, tally);
  return { ...tally.measured(performance.now()), ...read };
}

/** Until the time is over; once, if it never is. An empty log is read once. */
async function passes(
  client: Client,
  tally: Tally,
): Promise<Pick<Read, 'passes' | 'entriesInLog'>> {
  let count = 0;
  let entriesInLog: number | null = null;
  for (;;) {
    const before = tally.entries;
    if ((await pass(client, tally)) === 'interrupted') return { passes: count, entriesInLog };
    count += 1;
    entriesInLog ??= tally.entries - before;
    if (tally.endMs === Infinity || entriesInLog === 0) return { passes: count, entriesInLog };
  }
}

async function pass(client: Client, tally: Tally): Promise<'complete' | 'interrupted'> {
  let entries = 0;
  let bytes = 0;
  for await (const { data } of client.read({ from: 'start' })) {
    entries += 1;
    bytes += data.length;
    if (entries < entriesAtOnce) continue;
    if (!tally.add(performance.now(), entries, bytes)) return 'interrupted';
    entries = 0;
    bytes = 0;
  }
  return tally.add(performance.now(), entries, bytes) ? 'complete' : 'interrupted';
}
