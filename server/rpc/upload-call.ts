/** Carries one upload stream between its gRPC call and the service. */
import type { ServerDuplexStream } from '@grpc/grpc-js';
import { LogLogError } from '../../proto/errors.js';
import type { UploadRequest } from '../../proto/messages.js';
import type {
  LogLogService,
  UploadHandlers,
  UploadReply,
  UploadStream,
} from '../../proto/service.js';
import type { StatusOf, Received } from './received.js';

/** Replies that may wait for a client that does not read them. */
export const queuedRepliesMax = 4096;

export class UploadCall implements UploadHandlers {
  readonly #service: LogLogService;
  readonly #call: ServerDuplexStream<Received<UploadRequest>, UploadReply>;
  readonly #statusOf: StatusOf;
  #stream: UploadStream | undefined;
  #ended = false;

  constructor(
    service: LogLogService,
    call: ServerDuplexStream<Received<UploadRequest>, UploadReply>,
    statusOf: StatusOf,
  ) {
    this.#service = service;
    this.#call = call;
    this.#statusOf = statusOf;
    call.on('data', (received: Received<UploadRequest>) => this.#onReceived(received));
    call.on('end', () => this.#onHalfClose());
    call.on('cancelled', () => this.#abandon());
  }

  onReply(reply: UploadReply): void {
    if (this.#ended) return;
    if (this.#call.writableLength < queuedRepliesMax) {
      this.#call.write(reply);
      return;
    }
    this.#refuse(
      new LogLogError('RESOURCE_EXHAUSTED', `${queuedRepliesMax} replies wait to be read`, {
        outcome: 'unknown',
        limit: queuedRepliesMax,
      }),
    );
  }

  onDrain(): void {
    this.#call.resume();
  }

  onClose(error?: LogLogError): void {
    this.#end(error);
  }

  #onReceived(received: Received<UploadRequest>): void {
    if (this.#ended) return;
    try {
      if (!received.ok) throw received.error;
      this.#take(received.value);
    } catch (error) {
      this.#refuse(error);
    }
  }

  #take(request: UploadRequest): void {
    if (this.#stream === undefined) {
      if (request.type !== 'hello') {
        throw new LogLogError('INVALID_ARGUMENT', 'an upload stream begins with a hello');
      }
      this.#stream = this.#service.upload(request.hello, this);
      return;
    }
    if (request.type !== 'frame') {
      throw new LogLogError('INVALID_ARGUMENT', 'only the first message may be a hello');
    }
    if (!this.#stream.send(request.frame)) this.#call.pause();
  }

  /** The service may still have answers to send; it says when it has not, through onClose. */
  #onHalfClose(): void {
    if (this.#stream === undefined) this.#end();
    else if (!this.#ended) this.#stream.close();
  }

  #refuse(error: unknown): void {
    this.#end(error);
    this.#stream?.close();
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
    this.#call.resume(); // what still comes is dropped, so that the client gets to read the end
  }
}
