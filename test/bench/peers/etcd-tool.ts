/** etcd's own load generator, `tools/benchmark` of its sources: a client in Go. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { localHost } from '../../../cli/ports.js';
import type { Measured } from '../contender.js';
import { warmUpSecondsFor } from '../driving.js';
import { versionOf } from '../servers.js';

/** One that is called `benchmark` on PATH, or where ETCD_BENCHMARK says. */
const program = process.env['ETCD_BENCHMARK'] ?? 'benchmark';

const clientsPerConnection = 32;
const keyBytes = 16;
/** Its length is given in puts: so many show how many last as long as they should. */
const trialPutsPerClient = 20;
/** A pace that falls while it is measured must not make it too short. */
const margin = 1.2;

export interface Puts {
  readonly ports: readonly number[];
  readonly entryBytes: number;
  readonly inFlight: number;
  /** Ends the tool. */
  readonly signal: AbortSignal;
}

/** Whether it is installed: other programs may be called the same. */
export async function isToolInstalled(): Promise<boolean> {
  return (await versionOf(program, ['--help']))?.includes('etcd') ?? false;
}

/** Puts to the leader. Trials last as long as a warm-up. */
export async function putFor(puts: Puts, seconds: number): Promise<Measured> {
  const warmUpSeconds = warmUpSecondsFor(seconds);
  const first = await put(puts, puts.inFlight * trialPutsPerClient);
  const warm = await put(puts, totalFor(first, warmUpSeconds));
  return put(puts, totalFor(warm, seconds * margin));
}

function totalFor({ entries, seconds: elapsed }: Measured, seconds: number): number {
  return Math.ceil((entries / elapsed) * seconds);
}

async function put(puts: Puts, total: number): Promise<Measured> {
  const { ports, entryBytes, inFlight, signal } = puts;
  const connections = Math.ceil(inFlight / clientsPerConnection);
  const options = [
    ...['put', '--precise', '--target-leader', '--sequential-keys'],
    ...['--endpoints', ports.map((port) => `${localHost}:${port}`).join(',')],
    ...['--clients', String(inFlight), '--conns', String(connections)],
    ...['--total', String(total), '--key-space-size', String(total)],
    ...['--key-size', String(keyBytes), '--val-size', String(entryBytes)],
  ];
  const { stdout } = await promisify(execFile)(program, options, { signal });
  return { entries: total, ...parseSummary(stdout) };
}

/** Of what it prints at its end: seconds in all, and how many at which percentile. */
export function parseSummary(text: string): Omit<Measured, 'entries'> {
  if (/^Error distribution:/m.test(text)) throw new Error(`puts have failed: ${text}`);
  const max = secondsIn(text, /^\s*Slowest:\s+([\d.e+-]+) secs/m);
  const seconds = secondsIn(text, /^\s*Total:\s+([\d.e+-]+) secs/m);
  if (seconds === undefined || max === undefined) throw new Error(`this is no summary: ${text}`);
  // It leaves out a percentile for which there are not enough puts: the slowest stands for it.
  const percentileMs = (name: string) =>
    1000 * (secondsIn(text, new RegExp(`^\\s*${name}% in ([\\d.e+-]+) secs`, 'm')) ?? max);
  return {
    seconds,
    latencyMs: {
      p50: percentileMs('50'),
      p90: percentileMs('90'),
      p99: percentileMs('99'),
      p999: percentileMs('99\\.9'),
      max: 1000 * max,
    },
  };
}

function secondsIn(text: string, pattern: RegExp): number | undefined {
  const found = pattern.exec(text)?.[1];
  return found === undefined ? undefined : Number(found);
}
