/** Waits for room on a full disk, and says so. */
import type { Clock } from '../../proto/clock.js';
import { DiskError } from './disk.js';

const retryMs = 1000;

/** Given to whoever waits for room when the wait is given up. */
export class WaitEnded extends Error {
  override readonly name = 'WaitEnded';
}

export class Room {
  readonly #clock: Clock;
  readonly #onStalled: (reason: string | null) => void;
  readonly #closed = new AbortController();
  #stalled = false;

  constructor(clock: Clock, onStalled: (reason: string | null) => void) {
    this.#clock = clock;
    this.#onStalled = onStalled;
  }

  /** From now on nobody waits. */
  close(): void {
    this.#closed.abort();
  }

  /**
   * Runs `action` until it does not fail for want of room. It has to leave everything such that it
   * can run again. Rejects with WaitEnded if the wait is given up while the disk is full.
   */
  async wait<T>(action: () => Promise<T>, giveUp?: AbortSignal): Promise<T> {
    const closed = this.#closed.signal;
    for (;;) {
      try {
        const result = await action();
        this.#say(null);
        return result;
      } catch (error) {
        if (!(error instanceof DiskError) || !error.noSpace) throw error;
        this.#say(error.message);
      }
      await this.#pause(giveUp === undefined ? closed : AbortSignal.any([closed, giveUp]));
    }
  }

  #say(reason: string | null): void {
    const stalled = reason !== null;
    if (stalled === this.#stalled) return;
    this.#stalled = stalled;
    this.#onStalled(reason);
  }

  #pause(giveUp: AbortSignal): Promise<void> {
    return new Promise((resume, reject) => {
      const end = () => {
        timer.cancel();
        reject(new WaitEnded('no longer waiting for room on the disk'));
      };
      const timer = this.#clock.after(retryMs, () => {
        giveUp.removeEventListener('abort', end);
        resume();
      });
      if (giveUp.aborted) end();
      else giveUp.addEventListener('abort', end, { once: true });
    });
  }
}
