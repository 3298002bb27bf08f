/** A command's time with the cluster: connected, within its deadline, and closed whatever happens. */
import { LogLogError } from '../proto/errors.js';
import type { Client } from '../index.js';
import { connect } from '../index.js';
import type { ClusterOptions } from './options.js';
import { callTimeoutMs } from './options.js';

/** What a command that has failed still waits for; one that is done has nothing to wait for. */
const closeTimeoutMs = 1000;

/** `--timeout` bounds the wait for the first node here; what `work` does with it is its own. */
export async function withClient<T>(
  options: ClusterOptions,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  const client = await connect(options.cluster, { timeoutMs: options.timeout ?? callTimeoutMs });
  try {
    return await work(client);
  } finally {
    await client.close({ timeoutMs: closeTimeoutMs });
  }
}

/** For work that has no deadline of its own: its signal is aborted after `timeoutMs`, if given. */
export async function withinDeadline<T>(
  timeoutMs: number | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  if (timeoutMs === undefined) return work(new AbortController().signal);
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    return await work(signal);
  } catch (error) {
    if (!signal.aborted) throw error;
    throw new LogLogError('DEADLINE', `not done within ${timeoutMs} ms`, { cause: error });
  }
}

/** Rejects with DEADLINE if `promise` takes longer; what it does goes on all the same. */
export async function orDeadline<T>(
  timeoutMs: number | undefined,
  what: string,
  promise: Promise<T>,
): Promise<T> {
  if (timeoutMs === undefined) return promise;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(new LogLogError('DEADLINE', `${what}: not done within ${timeoutMs} ms`));
    }, timeoutMs);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
