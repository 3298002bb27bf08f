/** What a check prints as its last line, as JSON. */
export interface Finding {
  /** Seeds that were run, or states that were looked at. */
  readonly count: number;
  /** The promise that was broken; null if none was. */
  readonly found: string | null;
}
