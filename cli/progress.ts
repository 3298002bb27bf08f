/** Progress on stderr, if that is a terminal; elsewhere nothing. */
import { Presets, SingleBar } from 'cli-progress';

export interface Progress {
  update(done: number): void;
  stop(): void;
}

/** Work that is counted within a span of `performance.now()`. */
export interface Counted {
  readonly beginMs: number;
  /** Infinity if nobody knows. */
  readonly endMs: number;
  readonly entries: number;
  readonly bytes: number;
}

const invisible: Progress = { update() {}, stop() {} };
const refreshMs = 200;

/** Where a command shows how far it is. */
export interface Display {
  bytes(label: string, total: number): Progress;
  rates(label: string, counted: Counted): Pick<Progress, 'stop'>;
}

export const terminal: Display = { bytes: startProgress, rates: startRates };
export const nowhere: Display = { bytes: () => invisible, rates: () => invisible };

/** `total` is in bytes; nothing is shown if it is not known. */
export function startProgress(label: string, total: number | undefined): Progress {
  if (!process.stderr.isTTY || total === undefined) return invisible;
  const bar = new SingleBar(
    {
      stream: process.stderr,
      format: `${label} {bar} {percentage}% | {mebibytes} of {mebibytesTotal} MiB | {eta_formatted}`,
      clearOnComplete: true,
    },
    Presets.shades_classic,
  );
  const mebibytes = (bytes: number) => Math.floor(bytes / 2 ** 20);
  bar.start(total, 0, { mebibytes: 0, mebibytesTotal: mebibytes(total) });
  return {
    update: (done) => bar.update(done, { mebibytes: mebibytes(done) }),
    stop: () => bar.stop(),
  };
}

/** How fast it goes and how much of the time has passed, by itself until it is stopped. */
function startRates(label: string, counted: Counted): Pick<Progress, 'stop'> {
  if (!process.stderr.isTTY) return invisible;
  const { beginMs, endMs } = counted;
  const done = endMs === Infinity ? '' : ' {bar} {percentage}% |';
  const bar = new SingleBar(
    {
      stream: process.stderr,
      format: `${label}${done} {entries} entries/s | {megabytes} MB/s`,
      clearOnComplete: true,
    },
    Presets.shades_classic,
  );
  const rates = () => {
    const seconds = Math.max(0.001, (performance.now() - beginMs) / 1000);
    const entries = Math.round(counted.entries / seconds).toLocaleString('en');
    return { entries, megabytes: (counted.bytes / seconds / 1e6).toFixed(1) };
  };
  bar.start(endMs === Infinity ? 1 : endMs - beginMs, 0, rates());
  const timer = setInterval(() => {
    bar.update(Math.max(0, Math.min(performance.now(), endMs) - beginMs), rates());
  }, refreshMs);
  return {
    stop: () => {
      clearInterval(timer);
      bar.stop();
    },
  };
}
