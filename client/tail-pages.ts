import type { Clock } from '../proto/clock.js';
import { LogLogError } from '../proto/errors.js';
import type { LogLogService, Page, TailRequest, TailStream } from '../proto/service.js';
import { deferred } from './deferred.js';
import { reasonOf } from './scope.js';

/** Pages asked for ahead of the reader: enough to keep the way busy. */
export const pageCreditsMax = 4;

/** A tail stream as something to wait at. */
export class TailPages {
  readonly #clock: Clock;
  readonly #stream: TailStream;
  /** At most pageCreditsMax. */
  readonly #pages: Page[] = [];
  #ended: LogLogError | undefined;
  #wake = () => {};

  constructor(clock: Clock, service: LogLogService, request: TailRequest) {
    this.#clock = clock;
    this.#stream = service.tail(request, {
      onPage: (page) => this.#onPage(page),
      onClose: (error) => {
        this.#ended ??= error ?? new LogLogError('UNAVAILABLE', 'the node ended the stream');
        this.#wake();
      },
    });
    this.#stream.credit(pageCreditsMax);
  }

  /** The next page, or `silent` after `silenceMs` without any. For one caller at a time. */
  async next(silenceMs: number, signal: AbortSignal): Promise<Page | 'silent'> {
    if (this.#pages.length === 0) await this.#wait(silenceMs, signal);
    if (signal.aborted) throw reasonOf(signal);
    const page = this.#pages.shift();
    if (page !== undefined) {
      this.#stream.credit(1);
      return page;
    }
    if (this.#ended !== undefined) throw this.#ended;
    return 'silent';
  }

  close(): void {
    this.#stream.close();
  }

  #onPage(page: Page): void {
    if (this.#pages.length < pageCreditsMax) {
      this.#pages.push(page);
    } else {
      this.#ended ??= new LogLogError('RESOURCE_EXHAUSTED', 'the node sent more pages than it may');
      this.#stream.close();
    }
    this.#wake();
  }

  /** Until there is a page, an end, silence or an abort. */
  async #wait(silenceMs: number, signal: AbortSignal): Promise<void> {
    if (this.#ended !== undefined || signal.aborted) return;
    const woken = deferred<void>();
    this.#wake = () => woken.resolve();
    const timer = this.#clock.after(silenceMs, this.#wake);
    signal.addEventListener('abort', this.#wake, { once: true });
    await woken.promise;
    timer.cancel();
    signal.removeEventListener('abort', this.#wake);
  }
}
