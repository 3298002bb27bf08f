/** Whether anything grows with the log but the log: the cost of an append, memory, a restart. */
import { appendFor } from '../../../cli/bench/append.js';
import { fill } from '../../../cli/bench/bulk.js';
import { warmUpSecondsFor } from '../driving.js';
import { rate } from '../report.js';
import type { Row, ScaleOptions } from './row.js';
import { mebibytes } from './row.js';
import { ScaleCluster } from './scale-cluster.js';

/** The least that a segment may have. */
const segmentBytes = 64 * 1024;

export async function measureSegments(options: ScaleOptions): Promise<Row[]> {
  const { directory, seconds, segments } = options;
  const cluster = await ScaleCluster.start(directory, 3, ['--segment-bytes', `${segmentBytes}`]);
  try {
    const before = await look(cluster, seconds);
    const entryBytes = 16 * 1024;
    await fill(cluster.client, { entryBytes, totalBytes: segments * segmentBytes });
    const after = await look(cluster, seconds);
    const follower = (await cluster.status()).find(({ role }) => role === 'follower');
    const id = follower?.id ?? '';
    const stopped = await cluster.restart(id, 'stopped');
    const killed = await cluster.restart(id, 'killed');
    const times = `${segments.toLocaleString('en')} segments of 64 KiB`;
    return [
      [
        `100 B, 256 at a time: empty log / ${times}`,
        `${rate(before.rate)} / ${rate(after.rate)}/s`,
      ],
      ['resident memory of the largest node, there', `${before.memory} / ${after.memory}`],
      [
        `a follower with ${times}, from its start until it serves all of it: stopped before / killed`,
        `${Math.round(stopped)} / ${Math.round(killed)} ms`,
      ],
    ];
  } finally {
    await cluster.stop();
  }
}

async function look(
  cluster: ScaleCluster,
  seconds: number,
): Promise<{ rate: number; memory: string }> {
  const span = { seconds, warmUpSeconds: warmUpSecondsFor(seconds) };
  const { entries } = await appendFor(cluster.client, { ...span, entryBytes: 100, inFlight: 256 });
  const resident = (await cluster.status()).map(({ residentBytes }) => residentBytes);
  return { rate: entries / seconds, memory: mebibytes(Math.max(...resident)) };
}
