/** Serves a LogLogService to gRPC clients: loglog.proto. */
import type { ConnectionInjector, MethodDefinition, ServerDuplexStream } from '@grpc/grpc-js';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import type { Socket } from 'node:net';
import { createServer, type Server as SocketServer } from 'node:net';
import { statusFromError } from '../../proto/error-detail.js';
import { LogLogError } from '../../proto/errors.js';
import { loglogMethods } from '../../proto/grpc.js';
import { batchBytesMax } from '../../proto/limits.js';
import type { LogLogService } from '../../proto/service.js';
import type { Logger } from '../logger.js';
import { quiet } from '../logger.js';
import { withWideWindows } from './flow-control.js';
import type { ListenAddress } from './listen.js';
import { listen } from './listen.js';
import type { Received } from './received.js';
import { receiving } from './received.js';
import { sniffProtocol } from './sniff.js';
import { TailCall } from './tail-call.js';
import { unaryCall } from './unary-call.js';
import { UploadCall } from './upload-call.js';

const connectionsMax = 4096;
/** A reader that waits at the end of the log holds one. */
export const streamsPerConnectionMax = 16_384;
/** A batch or page of the largest size, with what the message around it adds. */
const messageBytesMax = batchBytesMax + 2 ** 20;

const grpcOptions = {
  'grpc.max_receive_message_length': messageBytesMax,
  'grpc.max_send_message_length': messageBytesMax,
  'grpc.max_concurrent_streams': streamsPerConnectionMax,
  'grpc.keepalive_time_ms': 30_000,
  'grpc.keepalive_timeout_ms': 15_000,
};

export interface GrpcServerOptions extends ListenAddress {
  readonly logger?: Logger;
}

interface Connections {
  readonly all: Set<Socket>;
  /** Those that have not yet said what they speak. */
  readonly sniffing: Set<Socket>;
}

export class GrpcServer {
  /** `host:port`, as really bound. */
  readonly address: string;
  readonly #sockets: SocketServer;
  readonly #server: Server;
  readonly #connections: Connections;

  private constructor(
    address: string,
    sockets: SocketServer,
    server: Server,
    connections: Connections,
  ) {
    this.address = address;
    this.#sockets = sockets;
    this.#server = server;
    this.#connections = connections;
  }

  /** Throws ADDRESS_IN_USE or CONFIG_INVALID when it cannot listen there. */
  static async start(service: LogLogService, options: GrpcServerOptions): Promise<GrpcServer> {
    const { logger = quiet } = options;
    const server = createGrpcServer(service, logger);
    const injector = withWideWindows(server, () =>
      server.createConnectionInjector(ServerCredentials.createInsecure()),
    );
    const connections: Connections = { all: new Set(), sniffing: new Set() };
    const sockets = createServer({ noDelay: true }, (socket) =>
      accept(socket, connections, injector),
    );
    sockets.maxConnections = connectionsMax;
    const address = await listen(sockets, options, logger);
    return new GrpcServer(address, sockets, server, connections);
  }

  /** Takes no more calls, and lets those that run go on for at most `graceMs`. */
  async close(graceMs: number): Promise<void> {
    const { all, sniffing } = this.#connections;
    const closed = new Promise<void>((resolve) => this.#sockets.close(() => resolve()));
    for (const socket of sniffing) socket.destroy();
    const timer = setTimeout(() => {
      this.#server.forceShutdown();
      // A connection that was shut down waits for the other side, which may never do its part.
      for (const socket of all) socket.destroy();
    }, graceMs);
    await new Promise<void>((resolve) => this.#server.tryShutdown(() => resolve()));
    await closed;
    clearTimeout(timer);
  }
}

function accept(
  socket: Socket,
  { all, sniffing }: Connections,
  injector: ConnectionInjector,
): void {
  all.add(socket);
  sniffing.add(socket);
  socket.once('close', () => {
    all.delete(socket);
    sniffing.delete(socket);
  });
  sniffProtocol(socket, () => {
    sniffing.delete(socket);
    injector.injectConnection(socket);
  });
}

function createGrpcServer(service: LogLogService, logger: Logger): Server {
  const server = new Server(grpcOptions);
  const statusOf = (error: unknown) => {
    if (!(error instanceof LogLogError) || error.code === 'INTERNAL') {
      logger.error({ err: error }, 'a call failed for a reason of our own');
    }
    return statusFromError(error);
  };
  const unary = <Request, Reply>(
    method: MethodDefinition<Request, Reply>,
    serve: (request: Request, signal: AbortSignal) => Promise<Reply>,
  ) => {
    const deserialize = receiving(method.requestDeserialize);
    const handler = unaryCall(serve, statusOf);
    server.register(method.path, handler, method.responseSerialize, deserialize, 'unary');
  };
  const streaming = <Request, Reply>(
    method: MethodDefinition<Request, Reply>,
    handler: (call: ServerDuplexStream<Received<Request>, Reply>) => void,
  ) => {
    const deserialize = receiving(method.requestDeserialize);
    server.register(method.path, handler, method.responseSerialize, deserialize, 'bidi');
  };
  unary(loglogMethods.append, (request, signal) => service.append(request, signal));
  unary(loglogMethods.read, (request, signal) => service.read(request, signal));
  unary(loglogMethods.end, (request, signal) => service.end(request, signal));
  unary(loglogMethods.status, (request, signal) => service.status(request, signal));
  unary(loglogMethods.transfer, (request, signal) => service.transfer(request, signal));
  streaming(loglogMethods.upload, (call) => void new UploadCall(service, call, statusOf));
  streaming(loglogMethods.tail, (call) => void new TailCall(service, call, statusOf));
  return server;
}
