/** What is looked at while work is measured: how fast it goes, and what the nodes take. */
import type { Client } from '../../index.js';
import type { Display, Progress } from '../progress.js';
import type { Tally } from './tally.js';
import type { NodeUsage, Snapshot } from './usage.js';
import { takeSnapshot, usageBetween } from './usage.js';

export class Watch {
  readonly #client: Client;
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #progress: Pick<Progress, 'stop'>;
  #before: Promise<Snapshot> | undefined;

  constructor(client: Client, tally: Tally, progress: Pick<Progress, 'stop'>) {
    this.#client = client;
    this.#progress = progress;
    const delayMs = tally.beginMs - performance.now();
    // Short work may be over before a timer fires.
    if (delayMs <= 0) this.#begin();
    else this.#timer = setTimeout(() => this.#begin(), delayMs);
  }

  /** When the work is done: of the nodes since the measured time began. */
  async usage(): Promise<NodeUsage[]> {
    this.stop();
    const after = await takeSnapshot(this.#client);
    return this.#before === undefined ? [] : usageBetween(await this.#before, after);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#progress.stop();
  }

  #begin(): void {
    this.#before = takeSnapshot(this.#client);
    // Told to whoever asks for the usage; if the work fails, nobody does.
    this.#before.catch(() => {});
  }
}

/** Does the work with a watch on it. */
export async function watched<T>(
  { client, display }: { readonly client: Client; readonly display: Display },
  label: string,
  work: (onStart: (tally: Tally) => void) => Promise<T>,
): Promise<{ readonly result: T; readonly nodes: readonly NodeUsage[] }> {
  let watch: Watch | undefined;
  try {
    const result = await work((tally) => {
      watch = new Watch(client, tally, display.rates(label, tally));
    });
    return { result, nodes: (await watch?.usage()) ?? [] };
  } finally {
    watch?.stop();
  }
}
