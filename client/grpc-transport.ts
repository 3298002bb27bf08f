/** The service of a node over gRPC. */
import type { ClientDuplexStream, MethodDefinition } from '@grpc/grpc-js';
import { Client, credentials } from '@grpc/grpc-js';
import { errorFromGrpc } from '../proto/error-detail.js';
import type { Outcome } from '../proto/errors.js';
import { LogLogError } from '../proto/errors.js';
import { loglogMethods } from '../proto/grpc.js';
import { batchBytesMax } from '../proto/limits.js';
import type {
  LogLogService,
  TailHandlers,
  TailRequest,
  TailStream,
  UploadHandlers,
  UploadHello,
  UploadStream,
} from '../proto/service.js';
import { reasonOf } from './scope.js';
import type { Transport } from './transport.js';

/** A page or an upload holds at least one whole batch; the rest is for what stands around it. */
const messageBytesMax = batchBytesMax + 2 ** 20;

/** Bodies that a stream holds for a node that does not take them; gRPC itself would hold them all. */
const bytesUnsentMax = 2 ** 20;

const channelOptions = {
  'grpc.max_send_message_length': messageBytesMax,
  'grpc.max_receive_message_length': messageBytesMax,
  'grpc-node.flow_control_window': 4 * 2 ** 20,
  // The buffer that gRPC would retry from grows for as long as a stream is open.
  'grpc.enable_retries': 0,
  'grpc.keepalive_time_ms': 30_000,
  'grpc.keepalive_timeout_ms': 15_000,
  'grpc.keepalive_permit_without_calls': 1,
  // A node that comes back is found as quickly as we ask for it.
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 500,
  'grpc.use_local_subchannel_pool': 1,
};

export const grpcTransport: Transport = {
  open(address) {
    const client = new Client(address, credentials.createInsecure(), channelOptions);
    return { service: new GrpcService(client), close: () => client.close() };
  },
};

class GrpcService implements LogLogService {
  readonly #client: Client;

  constructor(client: Client) {
    this.#client = client;
  }

  append: LogLogService['append'] = (request, signal) =>
    this.#call(loglogMethods.append, request, 'unknown', signal);

  read: LogLogService['read'] = (request, signal) =>
    this.#call(loglogMethods.read, request, 'none', signal);

  end: LogLogService['end'] = (request, signal) =>
    this.#call(loglogMethods.end, request, 'none', signal);

  status: LogLogService['status'] = (request, signal) =>
    this.#call(loglogMethods.status, request, 'none', signal);

  transfer: LogLogService['transfer'] = (request, signal) =>
    this.#call(loglogMethods.transfer, request, 'unknown', signal);

  upload(hello: UploadHello, handlers: UploadHandlers): UploadStream {
    const call = this.#open(loglogMethods.upload, 'unknown', handlers);
    call.onMessage((reply) => handlers.onReply(reply));
    call.write({ type: 'hello', hello });
    let bytesUnsent = 0;
    return {
      send(frame) {
        const { length } = frame.body;
        bytesUnsent += length;
        call.write({ type: 'frame', frame }, () => {
          const wasFull = bytesUnsent > bytesUnsentMax;
          bytesUnsent -= length;
          if (wasFull && bytesUnsent <= bytesUnsentMax && !call.isClosed) handlers.onDrain();
        });
        return bytesUnsent <= bytesUnsentMax;
      },
      close: () => call.close(),
    };
  }

  tail(request: TailRequest, handlers: TailHandlers): TailStream {
    const call = this.#open(loglogMethods.tail, 'none', handlers);
    call.onMessage((page) => handlers.onPage(page));
    call.write({ type: 'start', request });
    return {
      credit: (pages) => call.write({ type: 'credits', pages }),
      close: () => call.close(),
    };
  }

  #open<Request, Reply>(
    { path, requestSerialize, responseDeserialize }: MethodDefinition<Request, Reply>,
    outcome: Outcome,
    handlers: { onClose(error?: LogLogError): void },
  ): StreamCall<Request, Reply> {
    const stream = this.#client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
    return new StreamCall(stream, outcome, handlers);
  }

  #call<Request, Reply>(
    method: MethodDefinition<Request, Reply>,
    request: Request,
    outcome: Outcome,
    signal: AbortSignal,
  ): Promise<Reply> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(reasonOf(signal));
      const { path, requestSerialize, responseDeserialize } = method;
      const call = this.#client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        (error, reply) => {
          signal.removeEventListener('abort', cancel);
          if (signal.aborted) reject(reasonOf(signal));
          else if (error !== null) reject(errorFromGrpc(error, outcome));
          else if (reply !== undefined) resolve(reply);
        },
      );
      const cancel = () => call.cancel();
      signal.addEventListener('abort', cancel, { once: true });
    });
  }
}

/** A stream of which nothing is heard any more once it has closed. */
class StreamCall<Request, Reply> {
  readonly #stream: ClientDuplexStream<Request, Reply>;
  #isClosing = false;
  isClosed = false;

  constructor(
    stream: ClientDuplexStream<Request, Reply>,
    outcome: Outcome,
    handlers: { onClose(error?: LogLogError): void },
  ) {
    this.#stream = stream;
    const close = (error: LogLogError) => {
      if (this.isClosed) return;
      this.isClosed = true;
      handlers.onClose(this.#isClosing ? undefined : error);
    };
    stream.on('error', (error) => close(errorFromGrpc(error, outcome)));
    stream.on('end', () =>
      close(new LogLogError('UNAVAILABLE', 'the node ended the stream', { outcome })),
    );
  }

  onMessage(run: (message: Reply) => void): void {
    this.#stream.on('data', (message: Reply) => {
      if (!this.isClosed) run(message);
    });
  }

  /** `onSent`: the connection has taken the message. */
  write(message: Request, onSent: () => void = () => {}): void {
    if (!this.isClosed) this.#stream.write(message, onSent);
  }

  close(): void {
    this.#isClosing = true;
    this.#stream.cancel();
  }
}
