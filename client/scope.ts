/**
 * When a call has to end: at its deadline, at its caller's signal, or with the client. The signals
 * that scopes hand out are aborted with a LogLogError, so that whoever waits can throw the reason.
 * A signal costs more than all else in an append, so one is made only for those who ask for it.
 */
import { setMaxListeners } from 'node:events';
import type { Clock, Timer } from '../proto/clock.js';
import { assert, LogLogError } from '../proto/errors.js';

export interface CallOptions {
  /** How long the call may take. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** When a scope ends by itself, if ever. */
export interface Limits {
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The longest delay that Node's timers take. */
const timeoutMsMax = 2 ** 31 - 1;

export class Scope {
  #reason: LogLogError | undefined;
  #controller: AbortController | undefined;
  #onAbort: ((reason: LogLogError) => void) | undefined;
  #timer: Timer | undefined;
  #unfollow: (() => void)[] | undefined;

  /** `what` begins the message of the error; `parent` is the signal of another scope. */
  constructor(clock: Pick<Clock, 'after'>, what: string, limits: Limits, parent?: AbortSignal) {
    const { signal, timeoutMs } = limits;
    if (timeoutMs !== undefined) checkTimeout(timeoutMs);
    if (parent !== undefined) this.#follow(parent, () => reasonOf(parent));
    if (signal !== undefined) {
      const cancelled = () =>
        new LogLogError('CANCELLED', `${what}: cancelled by its caller`, { cause: signal.reason });
      this.#follow(signal, cancelled);
    }
    if (timeoutMs !== undefined && this.#reason === undefined) {
      const late = () =>
        this.abort(new LogLogError('DEADLINE', `${what}: not done within ${timeoutMs} ms`));
      this.#timer = clock.after(timeoutMs, late);
    }
  }

  /** Why it was aborted, if it was. */
  get reason(): LogLogError | undefined {
    return this.#reason;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#reason !== undefined) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  /** Calls back when it is aborted from now on; replaces what was to be called. */
  onAbort(run: (reason: LogLogError) => void): void {
    this.#onAbort = run;
  }

  abort(error: LogLogError): void {
    if (this.#reason !== undefined) return;
    this.#reason = error;
    this.#controller?.abort(error);
    this.#onAbort?.(error);
    this.end();
  }

  /** The call is over: nothing aborts its signal any more. */
  end(): void {
    this.#onAbort = undefined;
    this.#timer?.cancel();
    this.#timer = undefined;
    const unfollow = this.#unfollow;
    this.#unfollow = undefined;
    if (unfollow !== undefined) for (const undo of unfollow) undo();
  }

  #follow(signal: AbortSignal, error: () => LogLogError): void {
    if (signal.aborted) return this.abort(error());
    const onAbort = () => this.abort(error());
    // Ten thousand readers under one signal are no leak; each takes its listener away in the end.
    setMaxListeners(0, signal);
    signal.addEventListener('abort', onAbort, { once: true });
    this.#unfollow ??= [];
    this.#unfollow.push(() => signal.removeEventListener('abort', onAbort));
  }
}

/** Of an aborted signal that came from a scope. */
export function reasonOf(signal: AbortSignal): LogLogError {
  const reason: unknown = signal.reason;
  assert(reason instanceof LogLogError, 'a scope ends with a LogLogError');
  return reason;
}

/** A deadline tells what stood in its way, as far as that is known. */
export function explained(reason: LogLogError, cause: LogLogError | undefined): LogLogError {
  if (reason.code !== 'DEADLINE' || cause === undefined) return reason;
  const message = `${reason.message}; last: ${cause.code} ${cause.message}`;
  return new LogLogError('DEADLINE', message, { outcome: reason.outcome, cause });
}

/** Settles like `promise`, or rejects with the signal's reason as soon as it is aborted. */
export function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(reasonOf(signal));
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

/** Resolves after the delay; rejects with the signal's reason. */
export async function sleep(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  let stop = () => {};
  const elapsed = new Promise<void>((resolve) => {
    const timer = clock.after(delayMs, resolve);
    stop = () => timer.cancel();
  });
  try {
    await untilAborted(elapsed, signal);
  } finally {
    stop();
  }
}

function checkTimeout(timeoutMs: number): void {
  if (timeoutMs >= 0 && timeoutMs <= timeoutMsMax) return;
  throw new LogLogError(
    'INVALID_ARGUMENT',
    `timeoutMs is ${timeoutMs}, not from 0 to ${timeoutMsMax}`,
    { limit: timeoutMsMax },
  );
}
