/**
 * Whether the main thread may wait for a short write itself. The way through a thread of the pool
 * and back costs about as much as a good disk takes; on a slow disk all else would wait as well.
 */

/** Longer writes copy so much that they are for another thread in any case. */
export const shortWriteBytesMax = 64 * 1024;

/** On average, over the last ones that the main thread waited for. */
const quickMsMax = 2;
const averagedWrites = 8;

/** Left to other threads until the disk is tried again. */
const writesAside = 256;

export class WritePace {
  #averageMs = 0;
  #asideLeft = 0;

  /** Of the next short write. */
  mayBlock(): boolean {
    if (this.#asideLeft === 0) return true;
    this.#asideLeft -= 1;
    return false;
  }

  /** So long did the main thread wait. */
  waited(durationMs: number): void {
    this.#averageMs += (durationMs - this.#averageMs) / averagedWrites;
    if (this.#averageMs <= quickMsMax) return;
    this.#averageMs = quickMsMax;
    this.#asideLeft = writesAside;
  }
}
