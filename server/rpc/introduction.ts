/**
 * How a node that has lost its identity learns which cluster it belongs to: it asks the others, by
 * `GET /introduction` on the port where they listen for each other.
 */
import { get } from 'node:http';
import type { Clock } from '../../proto/clock.js';
import { LogLogError } from '../../proto/errors.js';
import { nodesMax } from '../../proto/limits.js';
import type { Logger } from '../logger.js';
import type { NodeId } from '../raft/types.js';

/** What makes a cluster this one: its id follows from it. */
export interface ClusterIntroduction {
  readonly clusterName: string;
  /** Every node's id, sorted. */
  readonly members: readonly NodeId[];
  readonly segmentBytesMax: number;
}

export interface IntroductionOptions {
  /** The other nodes, and where they listen as `host:port`. */
  readonly peers: ReadonlyMap<NodeId, string>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Ends the asking. */
  readonly signal: AbortSignal;
}

export const introductionPath = '/introduction';

/** Of the answer: `nodesMax` ids and a name take a few hundred. */
const answerBytesMax = 4096;
/** For the whole of an answer. */
const answerMsMax = 1_000;
/** From a round in which no node could help to the next. */
const roundMs = 1_000;

export function encodeIntroduction(introduction: ClusterIntroduction): string {
  const { clusterName, members, segmentBytesMax } = introduction;
  return JSON.stringify({ clusterName, members, segmentBytesMax });
}

/** Throws INVALID_ARGUMENT, with what is wrong. */
export function decodeIntroduction(text: string): ClusterIntroduction {
  const value = parsed(text);
  if (typeof value !== 'object' || value === null) throw unfit('not an object');
  const { clusterName, members, segmentBytesMax } = value as Readonly<Record<string, unknown>>;
  if (!isName(clusterName)) throw unfit('clusterName is no name');
  if (!Array.isArray(members) || !members.every(isName)) throw unfit('members is no list of names');
  if (members.length === 0 || members.length > nodesMax) {
    throw unfit(`a cluster has 1 to ${nodesMax} nodes, not ${members.length}`);
  }
  if (members.some((id, i) => i > 0 && id <= (members[i - 1] ?? ''))) {
    throw unfit('members are not sorted, or one is there twice');
  }
  if (!Number.isSafeInteger(segmentBytesMax) || (segmentBytesMax as number) <= 0) {
    throw unfit('segmentBytesMax is no count of bytes');
  }
  return { clusterName, members, segmentBytesMax: segmentBytesMax as number };
}

/**
 * Asks one peer after the other, and all again every second, until one answers. Throws
 * SHUTTING_DOWN when the signal is aborted first.
 */
export async function requestIntroduction(
  options: IntroductionOptions,
): Promise<ClusterIntroduction> {
  const { peers, clock, logger, signal } = options;
  const problems = new Map<NodeId, string>();
  while (!signal.aborted) {
    for (const [peer, address] of peers) {
      try {
        return decodeIntroduction(await answerOf(address, clock, signal));
      } catch (error) {
        if (signal.aborted) break;
        const problem = error instanceof Error ? error.message : String(error);
        // One that cannot help is asked again and again, and is logged when the reason is new.
        const level = problems.get(peer) === problem ? 'debug' : 'warn';
        logger[level]({ peer, address, problem }, 'a node does not say which cluster this is');
        problems.set(peer, problem);
      }
    }
    await pause(clock, signal);
  }
  throw new LogLogError('SHUTTING_DOWN', 'stopped before a node said which cluster this is');
}

/** Rejects with what went wrong: no connection, no answer in time, another status, too long. */
function answerOf(address: string, clock: Clock, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = get(`http://${address}${introductionPath}`, { agent: false, signal });
    const timer = clock.after(answerMsMax, () =>
      request.destroy(new Error(`no answer within ${answerMsMax} ms`)),
    );
    request.on('error', reject);
    request.once('close', () => {
      timer.cancel();
      reject(new Error('the connection was closed'));
    });
    request.once('response', (response) => {
      if (response.statusCode !== 200) {
        request.destroy(new Error(`it answers with status ${response.statusCode}`));
        return;
      }
      const chunks: Buffer[] = [];
      let length = 0;
      response.on('error', reject);
      response.on('data', (chunk: Buffer) => {
        length += chunk.length;
        chunks.push(chunk);
        if (length > answerBytesMax) {
          request.destroy(new Error(`its answer is longer than ${answerBytesMax} bytes`));
        }
      });
      response.once('end', () => resolve(Buffer.concat(chunks).toString()));
    });
  });
}

/** Until the next round, or the end of the asking. */
async function pause(clock: Clock, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    const end = () => {
      timer.cancel();
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = clock.after(roundMs, end);
    signal.addEventListener('abort', end);
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw unfit('not JSON');
  }
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && /^[a-z0-9-]{1,32}$/.test(value);
}

function unfit(reason: string): LogLogError {
  return new LogLogError('INVALID_ARGUMENT', `an introduction that is none: ${reason}`);
}
