/** Deadlines of many short calls by one timer: one of its own is a good part of what an append costs. */
import type { Clock, Timer } from '../proto/clock.js';

export class Deadlines {
  readonly #clock: Pick<Clock, 'after' | 'monotonicMs'>;
  /** Of those that are pending, which are linked in the order that they came in. */
  #last: Deadline | undefined;
  #timer: Timer | undefined;
  /** When it goes off; Infinity if nothing is pending. */
  #timerMs = Infinity;

  constructor(clock: Pick<Clock, 'after' | 'monotonicMs'>) {
    this.#clock = clock;
  }

  /** As the clock's. */
  after(delayMs: number, run: () => void): Timer {
    const dueMs = this.#clock.monotonicMs() + delayMs;
    const deadline = new Deadline(this, dueMs, run, this.#last);
    this.#last = deadline;
    if (dueMs < this.#timerMs) this.#arm(delayMs, dueMs);
    return deadline;
  }

  remove(deadline: Deadline): void {
    const { previous, next } = deadline;
    if (previous !== undefined) previous.next = next;
    if (next !== undefined) next.previous = previous;
    else this.#last = previous;
    if (this.#last === undefined) this.#disarm();
  }

  #arm(delayMs: number, timerMs: number): void {
    this.#disarm();
    this.#timerMs = timerMs;
    this.#timer = this.#clock.after(delayMs, () => this.#ring());
  }

  #disarm(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#timerMs = Infinity;
  }

  #ring(): void {
    this.#disarm();
    const nowMs = this.#clock.monotonicMs();
    const due: Deadline[] = [];
    let nextMs = Infinity;
    for (let one = this.#last; one !== undefined; one = one.previous) {
      if (one.dueMs <= nowMs) due.push(one);
      else nextMs = Math.min(nextMs, one.dueMs);
    }
    if (nextMs < Infinity) this.#arm(nextMs - nowMs, nextMs);
    for (const one of due.toReversed()) one.ring();
  }
}

class Deadline implements Timer {
  readonly dueMs: number;
  previous: Deadline | undefined;
  next: Deadline | undefined;
  readonly #deadlines: Deadlines;
  readonly #run: () => void;
  #isPending = true;

  constructor(
    deadlines: Deadlines,
    dueMs: number,
    run: () => void,
    previous: Deadline | undefined,
  ) {
    this.#deadlines = deadlines;
    this.dueMs = dueMs;
    this.#run = run;
    this.previous = previous;
    if (previous !== undefined) previous.next = this;
  }

  cancel(): void {
    if (!this.#isPending) return;
    this.#isPending = false;
    this.#deadlines.remove(this);
  }

  /** One that is due at the same time may have cancelled it. */
  ring(): void {
    if (!this.#isPending) return;
    this.cancel();
    this.#run();
  }
}
