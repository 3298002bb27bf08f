/** Carries one tail between its gRPC call and the service. */
import { LogLogError } from '../../proto/errors.js';
import type { TailMessage } from '../../proto/messages.js';
import type { LogLogService, Page, TailHandlers, TailStream } from '../../proto/service.js';
import type { StatusOf } from './received.js';
import type { DuplexCall } from './stream-call.js';
import { StreamCall } from './stream-call.js';

/** Pages that are asked of the service and not yet on the wire, whatever credit the client gave. */
export const pagesInFlightMax = 4;

export class TailCall extends StreamCall<TailMessage, Page, TailStream> implements TailHandlers {
  readonly #service: LogLogService;
  /** Given by the client and not yet passed on. */
  #credits = 0;
  #pagesInFlight = 0;

  constructor(service: LogLogService, call: DuplexCall<TailMessage, Page>, statusOf: StatusOf) {
    super(call, statusOf);
    this.#service = service;
  }

  onPage(page: Page): void {
    if (this.ended) return;
    this.call.write(page, () => {
      this.#pagesInFlight -= 1;
      this.#passCredits();
    });
  }

  protected override take(message: TailMessage): void {
    if (this.stream === undefined) {
      if (message.type !== 'start') {
        throw new LogLogError('INVALID_ARGUMENT', 'a tail begins with a start');
      }
      this.stream = this.#service.tail(message.request, this);
    } else if (message.type !== 'credits') {
      throw new LogLogError('INVALID_ARGUMENT', 'only the first message may be a start');
    }
    this.#credits += message.pages ?? 0;
    this.#passCredits();
  }

  #passCredits(): void {
    if (this.ended) return;
    const pages = Math.min(this.#credits, pagesInFlightMax - this.#pagesInFlight);
    if (pages === 0) return;
    this.#credits -= pages;
    this.#pagesInFlight += pages;
    this.stream?.credit(pages);
  }
}
