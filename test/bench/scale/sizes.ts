/** Three, five and seven nodes: what appends cost, and what the leader sends to the others. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { appendFor } from '../../../cli/bench/append.js';
import { warmUpSecondsFor } from '../driving.js';
import { rate } from '../report.js';
import type { Row, ScaleOptions } from './row.js';
import { ScaleCluster } from './scale-cluster.js';

const entryBytes = 16 * 1024;

interface Size {
  readonly count: number;
  /** Of 16 KiB entries, 64 at a time. */
  readonly entriesPerSecond: number;
  /** What the leader sent to its peers, of what was appended. */
  readonly leaderShare: number;
}

export async function measureSizes({ directory, seconds, counts }: ScaleOptions): Promise<Row[]> {
  const sizes: Size[] = [];
  for (const count of counts) {
    const own = join(directory, `${count}`);
    mkdirSync(own);
    sizes.push(await measureSize(own, count, seconds));
  }
  const first = sizes[0]?.entriesPerSecond ?? Number.NaN;
  return [
    [
      `16 KiB, 64 at a time, ${counts.join(' / ')} nodes; and next to the first`,
      `${sizes.map((size) => rate(size.entriesPerSecond)).join(' / ')}/s; ${sizes
        .slice(1)
        .map((size) => (size.entriesPerSecond / first).toFixed(2))
        .join(' / ')}`,
    ],
    [
      'bytes that the leader sent to its peers, of those appended, there',
      sizes.map((size) => `${(100 * size.leaderShare).toFixed(1)} %`).join(' / '),
    ],
  ];
}

async function measureSize(directory: string, count: number, seconds: number): Promise<Size> {
  const cluster = await ScaleCluster.start(directory, count);
  try {
    const before = await leaderOf(cluster);
    const span = { seconds, warmUpSeconds: warmUpSecondsFor(seconds) };
    const { entries } = await appendFor(cluster.client, { ...span, entryBytes, inFlight: 64 });
    const after = await leaderOf(cluster);
    if (after.id !== before.id) throw new Error('another node leads now: measure again');
    const sent = after.peerBytesSent - before.peerBytesSent;
    const appended = after.commitOffset - before.commitOffset;
    return { count, entriesPerSecond: entries / seconds, leaderShare: sent / appended };
  } finally {
    await cluster.stop();
  }
}

async function leaderOf(cluster: ScaleCluster) {
  const leader = (await cluster.status()).find(({ role }) => role === 'leader');
  if (leader === undefined) throw new Error('nobody leads');
  return leader;
}
