/** What tests leave nothing of. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { LocalCluster } from '../../cli/local-cluster.js';
import { freeBasePort } from '../../cli/ports.js';

export async function temporaryDirectory(t: Test): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'loglog-cli-'));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

/** Serving; stopped before its directory is removed. */
export async function temporaryCluster(t: Test, count: number): Promise<LocalCluster> {
  const directory = await mkdtemp(join(tmpdir(), 'loglog-cli-'));
  const cluster = new LocalCluster({
    directory,
    basePort: await freeBasePort(count),
    count,
    name: 'test',
    logLevel: 'error',
  });
  t.teardown(async () => {
    await cluster.stop();
    await rm(directory, { recursive: true, force: true });
  });
  await cluster.start();
  return cluster;
}
