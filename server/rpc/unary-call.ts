/** Carries a call with one request and one reply to the service. */
import type { handleUnaryCall, sendUnaryData, ServerUnaryCall } from '@grpc/grpc-js';
import type { Received, StatusOf } from './received.js';

/** The service's signal aborts when the client cancels, goes away, or lets the deadline pass. */
type Serve<Request, Reply> = (request: Request, signal: AbortSignal) => Promise<Reply>;

export function unaryCall<Request, Reply>(
  serve: Serve<Request, Reply>,
  statusOf: StatusOf,
): handleUnaryCall<Received<Request>, Reply> {
  return (call, callback) => void answer(call, callback, serve, statusOf);
}

async function answer<Request, Reply>(
  call: ServerUnaryCall<Received<Request>, Reply>,
  callback: sendUnaryData<Reply>,
  serve: Serve<Request, Reply>,
  statusOf: StatusOf,
): Promise<void> {
  const controller = new AbortController();
  const abort = () => controller.abort();
  call.on('cancelled', abort);
  let reply: Reply;
  try {
    if (!call.request.ok) throw call.request.error;
    reply = await serve(call.request.value, controller.signal);
  } catch (error) {
    callback(statusOf(error));
    return;
  } finally {
    call.off('cancelled', abort); // grpc-js emits it behind every answer, too
  }
  callback(null, reply);
}
