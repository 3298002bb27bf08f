/** A progress bar on stderr, if that is a terminal; elsewhere nothing. */
import { Presets, SingleBar } from 'cli-progress';

export interface Progress {
  update(done: number): void;
  stop(): void;
}

const invisible: Progress = { update() {}, stop() {} };

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
