/** Carries one tail between its gRPC call and the service. */
import type { ServerDuplexStream } from '@grpc/grpc-js';
import { LogLogError } from '../../proto/errors.js';
import type { TailMessage } from '../../proto/messages.js';
import type { LogLogService, Page, TailHandlers, TailStream } from '../../proto/service.js';
import type { StatusOf, Received } from './received.js';

/** Pages that are asked of the service and not yet on the wire, whatever credit the client gave. */
export const pagesInFlightMax = 4;

export class TailCall implements TailHandlers {
  readonly #service: LogLogService;
  readonly #call: ServerDuplexStream<Received<TailMessage>, Page>;
  readonly #statusOf: StatusOf;
  #stream: TailStream | undefined;
  #ended = false;
  /** Given by the client and not yet passed on. */
  #credits = 0;
  #pagesInFlight = 0;

  constructor(
    service: LogLogService,
    call: ServerDuplexStream<Received<TailMessage>, Page>,
    statusOf: StatusOf,
  ) {
    this.#service = service;
    this.#call = call;
    this.#statusOf = statusOf;
    call.on('data', (received: Received<TailMessage>) => this.#onReceived(received));
    call.on('end', () => this.#onHalfClose());
    call.on('cancelled', () => this.#abandon());
  }

  onPage(page: Page): void {
    if (this.#ended) return;
    this.#call.write(page, () => {
      this.#pagesInFlight -= 1;
      this.#passCredits();
    });
  }

  onClose(error?: LogLogError): void {
    this.#end(error);
  }

  #onReceived(received: Received<TailMessage>): void {
    if (this.#ended) return;
    try {
      if (!received.ok) throw received.error;
      this.#take(received.value);
    } catch (error) {
      this.#end(error);
      this.#stream?.close();
    }
  }

  #take(message: TailMessage): void {
    if (this.#stream === undefined) {
      if (message.type !== 'start') {
        throw new LogLogError('INVALID_ARGUMENT', 'a tail begins with a start');
      }
      this.#stream = this.#service.tail(message.request, this);
    } else if (message.type !== 'credits') {
      throw new LogLogError('INVALID_ARGUMENT', 'only the first message may be a start');
    }
    this.#credits += message.pages ?? 0;
    this.#passCredits();
  }

  #passCredits(): void {
    if (this.#ended) return;
    const pages = Math.min(this.#credits, pagesInFlightMax - this.#pagesInFlight);
    if (pages === 0) return;
    this.#credits -= pages;
    this.#pagesInFlight += pages;
    this.#stream?.credit(pages);
  }

  #onHalfClose(): void {
    if (this.#stream === undefined) this.#end();
    else if (!this.#ended) this.#stream.close();
  }

  #abandon(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#stream?.close();
  }

  #end(error?: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    if (error === undefined) this.#call.end();
    else this.#call.emit('error', this.#statusOf(error));
  }
}
