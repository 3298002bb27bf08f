/**
 * Drives the bare pipe: by the production client where that has to wait for answers, and without
 * what it does for each entry where that is the work, in bulk and with reads.
 */
import { Payload } from '../../../cli/bench/payload.js';
import { Tally } from '../../../cli/bench/tally.js';
import type { Client } from '../../../index.js';
import { assert } from '../../../proto/errors.js';
import type { LogLogService } from '../../../proto/service.js';
import { measureClient } from '../client-driving.js';
import type { Measured } from '../contender.js';
import { warmUpSecondsFor } from '../driving.js';
import type { BulkWorkload, ReadWorkload, Workload } from '../workloads.js';
import { FramePipe } from './bare-frames.js';
import { readPages } from './bare-pages.js';

/** Between two looks at the clock. */
const entriesAtOnce = 32;

/** `services` are those of all nodes, the leader's first. */
export async function measureBare(
  client: Client,
  services: readonly LogLogService[],
  workload: Workload,
  seconds: number,
): Promise<Measured> {
  if (workload.kind === 'bulk') return bulkFor(services, workload, seconds);
  if (workload.kind === 'read') return readFor(client, services, workload, seconds);
  return measureClient(client, workload, seconds);
}

async function bulkFor(
  services: readonly LogLogService[],
  { entryBytes }: BulkWorkload,
  seconds: number,
): Promise<Measured> {
  const tally = new Tally({ seconds, warmUpSeconds: warmUpSecondsFor(seconds) });
  const onAcknowledged = (entries: number) =>
    tally.add(performance.now(), entries, entries * entryBytes);
  await write(services, entryBytes, () => performance.now() < tally.endMs, onAcknowledged);
  return { ...tally.measured(performance.now()), latencyMs: null };
}

async function readFor(
  client: Client,
  services: readonly LogLogService[],
  { entryBytes, totalBytes }: ReadWorkload,
  seconds: number,
): Promise<Measured> {
  await write(services, entryBytes, (entries) => entries * entryBytes < totalBytes);
  const [leader] = services;
  assert(leader !== undefined, 'one of the nodes leads');
  const { end } = await client.end();
  await passes(leader, end, entryBytes, warmUpSecondsFor(seconds));
  const tally = await passes(leader, end, entryBytes, seconds);
  return { ...tally.measured(performance.now()), latencyMs: null };
}

/** As many entries as go through while `isWanted`, which is asked now and then. */
async function write(
  services: readonly LogLogService[],
  entryBytes: number,
  isWanted: (entries: number) => boolean,
  onAcknowledged: (entries: number) => void = () => undefined,
): Promise<void> {
  const entry = new Payload(entryBytes).entry();
  const pipe = new FramePipe(services, onAcknowledged);
  try {
    for (let entries = 0; isWanted(entries); entries += entriesAtOnce) {
      for (let i = 0; i < entriesAtOnce; i++) await pipe.write(entry);
    }
    await pipe.flush();
  } finally {
    pipe.close();
  }
}

/** Again and again from the start, for so long. */
async function passes(
  service: LogLogService,
  end: number,
  entryBytes: number,
  seconds: number,
): Promise<Tally> {
  const tally = new Tally({ seconds, warmUpSeconds: 0 });
  while (performance.now() < tally.endMs) {
    await readPages(service, end, (entries) =>
      tally.add(performance.now(), entries, entries * entryBytes),
    );
  }
  return tally;
}
