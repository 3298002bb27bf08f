/** Times in a histogram of constant size, three digits exact. */
import { createHistogram } from 'node:perf_hooks';

/** Milliseconds. */
export interface LatencyMs {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

export class Latencies {
  /** Of whole microseconds, from 1. */
  readonly #histogram = createHistogram();

  record(milliseconds: number): void {
    this.#histogram.record(Math.max(1, Math.round(milliseconds * 1000)));
  }

  /** Null when there is nothing to sum up. */
  get summary(): LatencyMs | null {
    const histogram = this.#histogram;
    if (histogram.count === 0) return null;
    const percentile = (percent: number) => histogram.percentile(percent) / 1000;
    return {
      p50: percentile(50),
      p90: percentile(90),
      p99: percentile(99),
      p999: percentile(99.9),
      max: histogram.max / 1000,
    };
  }
}
