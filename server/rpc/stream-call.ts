/** What a bidirectional gRPC call and a stream of the service have in common. */
import type { ServerDuplexStream } from '@grpc/grpc-js';
import type { LogLogError } from '../../proto/errors.js';
import type { Received, StatusOf } from './received.js';

export type DuplexCall<Request, Reply> = ServerDuplexStream<Received<Request>, Reply>;

/** The service's side of it: what is made of the first message. */
interface Closable {
  close(): void;
}

export abstract class StreamCall<Request, Reply, Stream extends Closable> {
  protected readonly call: DuplexCall<Request, Reply>;
  /** Since the first message. */
  protected stream: Stream | undefined;
  readonly #statusOf: StatusOf;
  #ended = false;

  constructor(call: DuplexCall<Request, Reply>, statusOf: StatusOf) {
    this.call = call;
    this.#statusOf = statusOf;
    call.on('data', (received: Received<Request>) => this.#onReceived(received));
    call.on('end', () => this.#onHalfClose());
    call.on('cancelled', () => this.#onCancelled());
  }

  /** Nothing is sent to the client any more. */
  protected get ended(): boolean {
    return this.#ended;
  }

  /** A message from the client; what it throws ends the call. */
  protected abstract take(request: Request): void;

  onClose(error?: LogLogError): void {
    this.#end(error);
  }

  protected refuse(error: unknown): void {
    this.#end(error);
    this.stream?.close();
  }

  #onReceived(received: Received<Request>): void {
    if (this.#ended) return;
    try {
      if (!received.ok) throw received.error;
      this.take(received.value);
    } catch (error) {
      this.refuse(error);
    }
  }

  /** The service may still have answers to send; it says when it has not, through onClose. */
  #onHalfClose(): void {
    if (this.stream === undefined) this.#end();
    else if (!this.#ended) this.stream.close();
  }

  #onCancelled(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.stream?.close();
  }

  #end(error?: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    if (error === undefined) this.call.end();
    else this.call.emit('error', this.#statusOf(error));
    this.call.resume(); // what still comes is dropped, so that the client gets to read the end
  }
}
