/**
 * The demonstration: a large file goes into a cluster of three processes through the command line,
 * the leader is killed in the middle, and every node gives the same file back.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import type { Client, ClusterStatus } from '../index.js';
import { connect } from '../index.js';
import { assert, LogLogError } from '../proto/errors.js';
import { hasLeader, startTimeoutMs } from './dev.js';
import type { LocalCluster } from './local-cluster.js';
import { untilStatus } from './local-cluster.js';
import type { Output } from './output.js';
import { mainFile } from './processes.js';
import { withTemporaryCluster } from './temporary-cluster.js';

const nodeCount = 3;
const entryBytes = 64 * 1024;

/** The leader is killed when more than this part of the file is acknowledged; */
const killFraction = 0.35;
/** were it more than this by then, the demonstration would not show much. */
const killFractionMax = 0.7;
const catchUpTimeoutMs = 60_000;

export async function runDemo(output: Output): Promise<void> {
  await withTemporaryCluster({ count: nodeCount, name: 'demo' }, (cluster, signal) =>
    demonstrate(cluster, output, signal),
  );
}

async function demonstrate(
  cluster: LocalCluster,
  output: Output,
  signal: AbortSignal,
): Promise<void> {
  const file = process.execPath;
  const { size: bytes } = await stat(file);
  const expected = await hashOf(createReadStream(file));
  const client = await connect(cluster.addresses);
  const leader = await leaderOf(client);
  await output.line(`${cluster.addresses.join(', ')} serve; ${leader} leads`);
  await output.line(`appending ${file}, ${bytes} bytes, SHA-256 ${expected}`);

  const append = await appendAndKill(cluster, { file, bytes, leader, output, signal });
  await output.line(`all ${append.entries} entries are acknowledged; starting ${leader} again`);
  await cluster.restart(leader);
  const { end } = await client.end();
  await untilStatus(client, (status) => allHave(status, end), {
    timeoutMs: catchUpTimeoutMs,
    what: `the catching up of ${leader}`,
  });
  await output.line(`${leader} has caught up; reading the file from every node`);
  const sha256: Record<string, string> = {};
  for (const { id } of cluster.nodes) sha256[id] = await hashFrom(cluster, id, signal);
  await client.close();

  const { entries, acknowledgedAtKill, resumedAfterMs } = append;
  const summary = { entries, bytes, acknowledgedAtKill, resumedAfterMs, sha256 };
  await output.line(JSON.stringify(summary));
  if (Object.values(sha256).some((hash) => hash !== expected)) {
    throw new LogLogError('DATA_CORRUPT', 'a node gave something else than the file');
  }
}

interface Kill {
  readonly file: string;
  readonly bytes: number;
  readonly leader: string;
  readonly output: Output;
  readonly signal: AbortSignal;
}

interface AppendResult {
  readonly entries: number;
  readonly acknowledgedAtKill: number;
  /** The longest that no entry was acknowledged from then on. */
  readonly resumedAfterMs: number;
}

/** Appends through the command line; kills the leader's process in the middle. */
async function appendAndKill(
  cluster: LocalCluster,
  { file, bytes, leader, output, signal }: Kill,
): Promise<AppendResult> {
  const append = startCommand(cluster, ['append', file, '--split', String(entryBytes)], signal);
  let entries = 0;
  let killed: { acknowledged: number; lastMs: number; silenceMs: number } | undefined;
  for await (const line of createInterface({ input: append.stdout })) {
    assert(/^\d+$/.test(line), 'append prints one offset a line');
    entries++;
    const acknowledged = Math.min(entries * entryBytes, bytes);
    if (killed !== undefined) {
      const nowMs = performance.now();
      killed.silenceMs = Math.max(killed.silenceMs, nowMs - killed.lastMs);
      killed.lastMs = nowMs;
    } else if (acknowledged > killFraction * bytes) {
      cluster.processes.get(leader)?.signal('SIGKILL');
      killed = { acknowledged, lastMs: performance.now(), silenceMs: 0 };
      await output.line(`killed ${leader} with ${acknowledged} bytes acknowledged`);
    }
  }
  await append.done;
  assert(entries === Math.ceil(bytes / entryBytes), 'every entry is acknowledged');
  assert(killed !== undefined, 'there was a middle to kill the leader in');
  assert(killed.acknowledged < killFractionMax * bytes, 'the leader was killed in the middle');
  return {
    entries,
    acknowledgedAtKill: killed.acknowledged,
    resumedAfterMs: Math.round(killed.silenceMs),
  };
}

async function hashFrom(cluster: LocalCluster, node: string, signal: AbortSignal): Promise<string> {
  const cat = startCommand(cluster, ['cat', '--node', node], signal);
  const hash = await hashOf(cat.stdout);
  await cat.done;
  return hash;
}

interface RunningCommand {
  readonly stdout: Readable;
  /** Rejects if the command fails. */
  readonly done: Promise<void>;
}

function startCommand(
  { addresses }: LocalCluster,
  args: readonly string[],
  signal: AbortSignal,
): RunningCommand {
  const child = spawn(process.execPath, [mainFile, ...args, '--cluster', addresses.join(',')], {
    stdio: ['ignore', 'pipe', 'inherit'],
    signal,
  });
  const done = new Promise<void>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (status, killedBy) => {
      if (status === 0) resolve();
      else reject(new LogLogError('INTERNAL', `${args[0]} ended with ${killedBy ?? status}`));
    });
  });
  // Awaited once its output has been read, which may be later than it fails.
  done.catch(() => {});
  return { stdout: child.stdout, done };
}

async function hashOf(stream: Readable): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of stream) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

async function leaderOf(client: Client): Promise<string> {
  const status = await untilStatus(client, hasLeader, {
    timeoutMs: startTimeoutMs,
    what: 'the election of a leader',
  });
  assert(status.leader !== null, 'a status with a leader names it');
  return status.leader;
}

function allHave({ nodes }: ClusterStatus, end: number): boolean {
  return nodes.every((node) => node.reachable && node.commitOffset >= end);
}
