/** A recording service behind a real server, and a plain gRPC client in front of it. */
import type { ClientDuplexStream, MethodDefinition, ServiceError } from '@grpc/grpc-js';
import { Client, credentials } from '@grpc/grpc-js';
import { loglogMethods } from '../../proto/grpc.js';
import { GrpcServer } from '../../server/rpc/grpc-server.js';
import { RecordingService } from './recording-service.js';

export interface Fixture {
  readonly service: RecordingService;
  readonly server: GrpcServer;
  readonly client: Client;
}

/** What a client needs of a method. */
export type ClientMethod<Request, Reply> = Pick<
  MethodDefinition<Request, Reply>,
  'path' | 'requestSerialize' | 'responseDeserialize'
>;

interface Teardown {
  teardown(run: () => void | Promise<void>): void;
}

export function grpcClient(address: string): Client {
  return new Client(address, credentials.createInsecure(), {
    'grpc.max_receive_message_length': -1,
    'grpc.max_send_message_length': -1,
  });
}

export async function serve(t: Teardown): Promise<Fixture> {
  const service = new RecordingService();
  const server = await GrpcServer.start(service, { host: '127.0.0.1', port: 0 });
  const client = grpcClient(server.address);
  t.teardown(async () => {
    client.close();
    await server.close(0);
  });
  return { service, server, client };
}

export function callUnary<Request, Reply>(
  client: Client,
  method: ClientMethod<Request, Reply>,
  request: Request,
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      (error: ServiceError | null, reply?: Reply) =>
        reply === undefined ? reject(error as ServiceError) : resolve(reply),
    );
  });
}

export function openStream<Request, Reply>(
  client: Client,
  method: ClientMethod<Request, Reply>,
): ClientDuplexStream<Request, Reply> {
  return client.makeBidiStreamRequest(
    method.path,
    method.requestSerialize,
    method.responseDeserialize,
  );
}

/** Collects what a stream says until it ends: its messages, then its error if it has one. */
export async function drain<Reply>(
  stream: ClientDuplexStream<never, Reply>,
): Promise<{ readonly messages: Reply[]; readonly error: unknown }> {
  const messages: Reply[] = [];
  try {
    for await (const message of stream) messages.push(message as Reply);
    return { messages, error: undefined };
  } catch (error) {
    return { messages, error };
  }
}

/** Waits for something that another part of the process brings about. */
export async function until(condition: () => boolean): Promise<void> {
  const giveUp = AbortSignal.timeout(20_000);
  while (!condition()) {
    giveUp.throwIfAborted();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

export const openUpload = (client: Client) => openStream(client, loglogMethods.upload);
export const openTail = (client: Client) => openStream(client, loglogMethods.tail);
