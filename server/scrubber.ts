/**
 * Reads the whole log again, slowly, so that rot is found while the other nodes still have good
 * copies. What is bad is repaired from them (log/mend.ts).
 */
import type { Clock, Timer } from '../proto/clock.js';
import { LogLogError } from '../proto/errors.js';
import type { NodeSettings } from './options.js';
import type { Log } from './log/log.js';

type Settings = Pick<NodeSettings, 'scrubBytesPerSecondMax' | 'scrubIntervalMs' | 'logger'>;

export class Scrubber {
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #settings: Settings;
  /** What it waits for now; null while it reads. */
  #timer: Timer | null = null;
  #isStopped = false;
  /** Ends the pause that it makes. */
  #end: () => void = () => undefined;

  constructor(log: Log, clock: Clock, settings: Settings) {
    this.#log = log;
    this.#clock = clock;
    this.#settings = settings;
  }

  /** The first reading begins after an interval, since a start has enough to read. */
  start(): void {
    this.#timer = this.#clock.after(this.#settings.scrubIntervalMs, () => {
      this.#timer = null;
      void this.#readAll().then(() => {
        if (!this.#isStopped) this.start();
      });
    });
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
    this.#end();
  }

  async #readAll(): Promise<void> {
    const { logger } = this.#settings;
    for (const baseOffset of [...this.#log.segments]) {
      if (this.#isStopped) return;
      try {
        await this.#log.scrub(baseOffset, (bytes) => this.#pause(bytes));
      } catch (error) {
        if (this.#isStopped) return;
        // Other segments are not the worse for it, and the next reading tries again.
        const code = error instanceof LogLogError ? error.code : 'INTERNAL';
        logger.error({ code, err: error, baseOffset }, 'a segment could not be read again');
      }
    }
  }

  /** Rejects when the node stops. */
  #pause(bytes: number): Promise<void> {
    const delayMs = (bytes * 1000) / this.#settings.scrubBytesPerSecondMax;
    return new Promise((resolve, reject) => {
      this.#end = () => reject(new LogLogError('SHUTTING_DOWN', 'the node is shutting down'));
      if (this.#isStopped) this.#end();
      else this.#timer = this.#clock.after(delayMs, resolve);
    });
  }
}
