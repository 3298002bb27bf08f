/** The cluster that is measured: one that runs already, or one for the time of the measurement. */
import type { Client } from '../../index.js';
import { LogLogError } from '../../proto/errors.js';
import { hasLeader } from '../dev.js';
import { untilStatus } from '../local-cluster.js';
import { callTimeoutMs } from '../options.js';
import { withClient } from '../session.js';
import { withTemporaryCluster } from '../temporary-cluster.js';

const nodesDefault = 3;

export interface TargetOptions {
  readonly cluster?: readonly string[];
  readonly nodes?: number;
  readonly timeout?: number;
}

export type Target =
  | { readonly type: 'running'; readonly cluster: readonly string[] }
  | { readonly type: 'temporary'; readonly nodes: number };

/** `isClusterAsked`: --cluster was given, not only LOGLOG_CLUSTER. */
export function targetOf({ cluster, nodes }: TargetOptions, isClusterAsked: boolean): Target {
  if (nodes !== undefined && isClusterAsked) {
    const message = '--nodes starts a cluster, --cluster names one that runs: not both';
    throw new LogLogError('CONFIG_INVALID', message);
  }
  if (nodes === undefined && cluster !== undefined) return { type: 'running', cluster };
  return { type: 'temporary', nodes: nodes ?? nodesDefault };
}

/** Calls `work` once a node leads. */
export async function withTarget<T>(
  target: Target,
  timeoutMs: number = callTimeoutMs,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  const connected = (cluster: readonly string[], signal?: AbortSignal) =>
    withClient({ cluster, timeout: timeoutMs }, async (client) => {
      // Ends the work too, and the progress that it shows.
      signal?.addEventListener('abort', () => void client.close({ timeoutMs: 1 }).catch(() => {}));
      await untilStatus(client, hasLeader, { timeoutMs, what: 'the election of a leader' });
      return work(client);
    });
  if (target.type === 'running') return connected(target.cluster);
  const options = { count: target.nodes, name: 'bench' };
  return withTemporaryCluster(options, ({ addresses }, signal) => connected(addresses, signal));
}
