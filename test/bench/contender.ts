/**
 * Who is measured: a cluster of three nodes on this machine that is started empty for every
 * measurement, and a client that does not hold it back.
 */
import type { LatencyMs } from '../../cli/bench/latency.js';
import type { Workload } from './workloads.js';

/** What a workload came to; it is the same for all. */
export interface Measured {
  /** Acknowledged, or read, within the measured time. */
  readonly entries: number;
  readonly seconds: number;
  /**
   * Milliseconds: of an append from its call to its acknowledgement, of a tail from the
   * acknowledgement of an entry to its arrival at the reader (0 if it arrived before). Null where
   * single entries are not timed.
   */
  readonly latencyMs: LatencyMs | null;
}

export const contenderNames = ['loglog', 'bare', 'etcd', 'jetstream', 'redis'] as const;
export type ContenderName = (typeof contenderNames)[number];

export interface Contender {
  /** As in the table and in `--json`. */
  readonly name: ContenderName;
  /** What it promises when it acknowledges, and what drives it: for the notes below the table. */
  readonly notes: string;
  /** What is installed, or undefined: then it is left out, by name. */
  version(): Promise<string | undefined>;
  /** Starts it with its data below `directory`, which is empty. Ports are free ones on loopback. */
  start(directory: string): Promise<Cluster>;
}

export interface Cluster {
  /** Carries the workload out for so long, after a warm-up that does not count. */
  measure(workload: Workload, seconds: number): Promise<Measured>;
  /** Ends every process that `start` has begun. */
  stop(): Promise<void>;
}
