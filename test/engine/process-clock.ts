/**
 * The clock as one process has it. When the process is gone, so are its timers; while it is paused,
 * none of them runs; its day may jump, and its milliseconds may be longer or shorter than others'.
 */
import type { Clock, Timer } from '../../proto/clock.js';

/** What a paused process is sent beyond this is lost, as the sender's buffers are full then. */
const inboxMax = 4096;

export class ProcessClock implements Clock {
  readonly #clock: Clock;
  #skewMs: number;
  /** Milliseconds of this process in one of the others'. */
  #rate = 1;
  /** When the rate was set: on the others' clock, and on this one. */
  #rateSet: { readonly atMs: number; readonly ownMs: number };
  #pausedUntilMs = 0;
  #inbox = 0;
  #isGone = false;
  #hasRun = true;

  constructor(clock: Clock, skewMs: number) {
    this.#clock = clock;
    this.#skewMs = skewMs;
    const nowMs = clock.monotonicMs();
    this.#rateSet = { atMs: nowMs, ownMs: nowMs };
  }

  /** Whole, as the system's is, and off by as much as the clocks of machines are. */
  wallMs(): number {
    return Math.floor(this.#clock.wallMs()) + this.#skewMs;
  }

  monotonicMs(): number {
    const { atMs, ownMs } = this.#rateSet;
    return ownMs + (this.#clock.monotonicMs() - atMs) * this.#rate;
  }

  after(delayMs: number, run: () => void): Timer {
    const timer = new ProcessTimer(run);
    if (!this.#isGone)
      timer.inner = this.#clock.after(delayMs / this.#rate, () => this.#due(timer));
    return timer;
  }

  soon(run: () => void): void {
    this.after(0, run);
  }

  get isPaused(): boolean {
    return this.#clock.monotonicMs() < this.#pausedUntilMs;
  }

  /** The wall clock is set forward, or back (less than 0). */
  jump(byMs: number): void {
    this.#skewMs += byMs;
  }

  /** How fast this process's time passes from now on; timers that are set keep their time. */
  drift(rate: number): void {
    this.#rateSet = { atMs: this.#clock.monotonicMs(), ownMs: this.monotonicMs() };
    this.#rate = rate;
  }

  /** The process does not run for so long; then all at once runs what would have by then. */
  pause(durationMs: number): void {
    const untilMs = this.#clock.monotonicMs() + durationMs;
    this.#pausedUntilMs = Math.max(this.#pausedUntilMs, untilMs);
  }

  /** Runs it at once, or when a paused process goes on. False: its inbox was full. */
  deliver(run: () => void): boolean {
    if (this.#isGone) return false;
    if (!this.isPaused) {
      this.#hasRun = true;
      run();
      return true;
    }
    if (this.#inbox >= inboxMax) return false;
    this.#inbox += 1;
    this.#clock.after(this.#pausedUntilMs - this.#clock.monotonicMs(), () => {
      this.#inbox -= 1;
      this.deliver(run);
    });
    return true;
  }

  /** Whether the process has run since it was last asked: otherwise it is as it was. */
  takeHasRun(): boolean {
    const hasRun = this.#hasRun;
    this.#hasRun = false;
    return hasRun;
  }

  end(): void {
    this.#isGone = true;
  }

  #due(timer: ProcessTimer): void {
    if (this.#isGone) return;
    const leftMs = this.#pausedUntilMs - this.#clock.monotonicMs();
    if (leftMs > 0) {
      timer.inner = this.#clock.after(leftMs, () => this.#due(timer));
    } else {
      this.#hasRun = true;
      timer.run();
    }
  }
}

class ProcessTimer implements Timer {
  readonly run: () => void;
  inner: Timer | null = null;

  constructor(run: () => void) {
    this.run = run;
  }

  cancel(): void {
    this.inner?.cancel();
  }
}
