/** A cluster on this machine for the time of one piece of work; nothing of it is left behind. */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LogLogError } from '../proto/errors.js';
import { startTimeoutMs } from './dev.js';
import { LocalCluster } from './local-cluster.js';
import { freeBasePort } from './ports.js';
import { orDeadline } from './session.js';

export interface TemporaryClusterOptions {
  readonly count: number;
  readonly name: string;
}

/** Throws CANCELLED on SIGINT and SIGTERM; `work` has its signal aborted and is left then. */
export async function withTemporaryCluster<T>(
  { count, name }: TemporaryClusterOptions,
  work: (cluster: LocalCluster, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const basePort = await freeBasePort(count);
  const directory = await mkdtemp(join(tmpdir(), `loglog-${name}-`));
  const cluster = new LocalCluster({ directory, basePort, count, name, logLevel: 'error' });
  const interruption = new AbortController();
  const onSignal = () => interruption.abort();
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  const run = async () => {
    await orDeadline(startTimeoutMs, 'the start of the nodes', cluster.start());
    return work(cluster, interruption.signal);
  };
  try {
    return await Promise.race([interrupted(interruption.signal), run()]);
  } finally {
    interruption.abort();
    // Their data goes too: there is nothing to stop in order for.
    cluster.kill();
    await cluster.stop();
    await rm(directory, { recursive: true, force: true });
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  }
}

async function interrupted(signal: AbortSignal): Promise<never> {
  if (!signal.aborted) await once(signal, 'abort');
  throw new LogLogError('CANCELLED', 'interrupted');
}
