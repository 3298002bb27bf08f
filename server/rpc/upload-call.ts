/** Carries one upload stream between its gRPC call and the service. */
import { LogLogError } from '../../proto/errors.js';
import type { UploadRequest } from '../../proto/messages.js';
import type {
  LogLogService,
  UploadHandlers,
  UploadReply,
  UploadStream,
} from '../../proto/service.js';
import type { StatusOf } from './received.js';
import type { DuplexCall } from './stream-call.js';
import { StreamCall } from './stream-call.js';

/** Replies that may wait for a client that does not read them. */
export const queuedRepliesMax = 4096;

export class UploadCall
  extends StreamCall<UploadRequest, UploadReply, UploadStream>
  implements UploadHandlers
{
  readonly #service: LogLogService;

  constructor(
    service: LogLogService,
    call: DuplexCall<UploadRequest, UploadReply>,
    statusOf: StatusOf,
  ) {
    super(call, statusOf);
    this.#service = service;
  }

  onReply(reply: UploadReply): void {
    if (this.ended) return;
    if (this.call.writableLength < queuedRepliesMax) {
      this.call.write(reply);
      return;
    }
    this.refuse(
      new LogLogError('RESOURCE_EXHAUSTED', `${queuedRepliesMax} replies wait to be read`, {
        outcome: 'unknown',
        limit: queuedRepliesMax,
      }),
    );
  }

  onDrain(): void {
    this.call.resume();
  }

  protected override take(request: UploadRequest): void {
    if (this.stream === undefined) {
      if (request.type !== 'hello') {
        throw new LogLogError('INVALID_ARGUMENT', 'an upload stream begins with a hello');
      }
      this.stream = this.#service.upload(request.hello, this);
      return;
    }
    if (request.type !== 'frame') {
      throw new LogLogError('INVALID_ARGUMENT', 'only the first message may be a hello');
    }
    if (!this.stream.send(request.frame)) this.call.pause();
  }
}
