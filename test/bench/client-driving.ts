/** Drives LogLog, or what speaks its protocol, by its own client. */
import { appendFor } from '../../cli/bench/append.js';
import { bulkFor, fill } from '../../cli/bench/bulk.js';
import { readAllOf } from '../../cli/bench/read.js';
import { tailFor } from '../../cli/bench/tail.js';
import type { Client } from '../../index.js';
import type { Measured } from './contender.js';
import { warmUpSecondsFor } from './driving.js';
import type { Workload } from './workloads.js';

export async function measureClient(
  client: Client,
  workload: Workload,
  seconds: number,
): Promise<Measured> {
  const span = { seconds, warmUpSeconds: warmUpSecondsFor(seconds) };
  const { entryBytes } = workload;
  switch (workload.kind) {
    case 'append':
      return appendFor(client, { ...span, entryBytes, inFlight: workload.inFlight });
    case 'bulk':
      return { ...(await bulkFor(client, { ...span, entryBytes })), latencyMs: null };
    case 'read': {
      await fill(client, { entryBytes, totalBytes: workload.totalBytes });
      return { ...(await readAllOf(client, span)), latencyMs: null };
    }
    case 'tail': {
      const tailed = await tailFor(client, { ...span, entryBytes });
      return { ...tailed, latencyMs: tailed.fromAcknowledgementMs };
    }
  }
}
