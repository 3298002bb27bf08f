import { LogLogError } from '../../index.js';

/** Without any acknowledgement for so long, it is given up: a writer itself waits for ever. */
const silenceMsMax = 30_000;

/** Gives up when nothing has renewed it for `silenceMsMax`. */
export class Patience {
  readonly #timer: NodeJS.Timeout;
  #isLost = false;

  constructor(giveUp: () => void) {
    this.#timer = setTimeout(() => {
      this.#isLost = true;
      giveUp();
    }, silenceMsMax);
  }

  get isLost(): boolean {
    return this.#isLost;
  }

  renew(): void {
    this.#timer.refresh();
  }

  error(cause?: unknown): LogLogError {
    const message = `no entry was acknowledged for ${silenceMsMax} ms`;
    return new LogLogError('DEADLINE', message, { outcome: 'unknown', cause });
  }

  end(): void {
    clearTimeout(this.#timer);
  }
}
