/** Timers by time, and by the order in which they were set where the time is the same. */
import type { Timer } from '../../proto/clock.js';

export class HeapTimer implements Timer {
  readonly atMs: number;
  readonly order: number;
  /** Null once cancelled. */
  run: (() => void) | null;

  constructor(atMs: number, order: number, run: () => void) {
    this.atMs = atMs;
    this.order = order;
    this.run = run;
  }

  /** Leaves the timer in the heap, to be dropped when its time comes. */
  cancel(): void {
    this.run = null;
  }

  isBefore(other: HeapTimer): boolean {
    return this.atMs === other.atMs ? this.order < other.order : this.atMs < other.atMs;
  }
}

/** A binary heap: the children of the timer at `i` are at `2 * i + 1` and `2 * i + 2`. */
export class TimerHeap {
  readonly #timers: HeapTimer[] = [];

  push(timer: HeapTimer): void {
    const timers = this.#timers;
    let at = timers.length;
    while (at > 0) {
      const parentAt = (at - 1) >> 1;
      const parent = timers[parentAt];
      if (parent === undefined || !timer.isBefore(parent)) break;
      timers[at] = parent;
      at = parentAt;
    }
    timers[at] = timer;
  }

  /** The earliest that was not cancelled. */
  pop(): HeapTimer | undefined {
    for (let first = this.#shift(); first !== undefined; first = this.#shift()) {
      if (first.run !== null) return first;
    }
    return undefined;
  }

  #shift(): HeapTimer | undefined {
    const first = this.#timers[0];
    const last = this.#timers.pop();
    if (last !== undefined && last !== first) this.#sink(last);
    return first;
  }

  /** Puts the timer where the first one was, and then below all that are earlier. */
  #sink(timer: HeapTimer): void {
    const timers = this.#timers;
    let at = 0;
    for (;;) {
      const left = timers[2 * at + 1];
      const right = timers[2 * at + 2];
      const isRight = left !== undefined && right !== undefined && right.isBefore(left);
      const child = isRight ? right : left;
      if (child === undefined || timer.isBefore(child)) break;
      timers[at] = child;
      at = 2 * at + (isRight ? 2 : 1);
    }
    timers[at] = timer;
  }
}
