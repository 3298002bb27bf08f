/** What is measured. The names are those of docs/BENCHMARKS.md. */

interface Named {
  readonly name: string;
  readonly entryBytes: number;
}

/** Each entry is acknowledged durably; so many are on their way at a time. */
export interface AppendWorkload extends Named {
  readonly kind: 'append';
  readonly inFlight: number;
}

/** As many entries as go through, in order; whoever is measured decides how many are on their way. */
export interface BulkWorkload extends Named {
  readonly kind: 'bulk';
}

/** A log of so many bytes of entries is read from its start, and every entry decoded. */
export interface ReadWorkload extends Named {
  readonly kind: 'read';
  readonly totalBytes: number;
}

/** Entries one at a time, and a reader on a node that does not lead which waits for each. */
export interface TailWorkload extends Named {
  readonly kind: 'tail';
}

export type Workload = AppendWorkload | BulkWorkload | ReadWorkload | TailWorkload;

const kib = 2 ** 10;
const mib = 2 ** 20;

export const workloads: readonly Workload[] = [
  { name: '100B-1', kind: 'append', entryBytes: 100, inFlight: 1 },
  { name: '100B-256', kind: 'append', entryBytes: 100, inFlight: 256 },
  { name: '100B-bulk', kind: 'bulk', entryBytes: 100 },
  { name: '1KiB-256', kind: 'append', entryBytes: kib, inFlight: 256 },
  { name: '1KiB-bulk', kind: 'bulk', entryBytes: kib },
  { name: '16KiB-64', kind: 'append', entryBytes: 16 * kib, inFlight: 64 },
  { name: '1MiB', kind: 'append', entryBytes: mib, inFlight: 8 },
  { name: 'read-1KiB', kind: 'read', entryBytes: kib, totalBytes: 256 * mib },
  { name: 'tail', kind: 'tail', entryBytes: 100 },
];
