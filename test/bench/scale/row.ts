/** What was looked at, and what came out, for people. */
export type Row = readonly [what: string, result: string];

export interface ScaleOptions {
  /** Empty. */
  readonly directory: string;
  /** Of each measurement. */
  readonly seconds: number;
  /** That the log is made to have. */
  readonly segments: number;
  /** Nodes of the clusters that are compared. */
  readonly counts: readonly number[];
  /** Readers that wait for nothing. */
  readonly waiters: number;
}

export function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MiB`;
}
