/**
 * Wider HTTP/2 windows for the server. @grpc/grpc-js ignores its own option for them on this side
 * and leaves 64 KiB, which throttles uploads; so this reaches into its private parts, and
 * test/rpc/flow-control.test.ts fails when a new version has changed them.
 */
import type { Server } from '@grpc/grpc-js';
import type { Http2Server, ServerHttp2Session, ServerOptions } from 'node:http2';
import { assert } from '../../proto/errors.js';

/** Of each stream, and of each connection. */
export const windowBytes = 4 * 2 ** 20;

interface ServerInternals {
  readonly commonServerOptions?: ServerOptions;
  readonly http2Servers?: ReadonlyMap<Http2Server, unknown>;
}

/**
 * Runs `createHttp2Servers`, which makes the gRPC server create its HTTP/2 servers, so that their
 * windows are wide.
 */
export function withWideWindows<Result>(server: Server, createHttp2Servers: () => Result): Result {
  const internals = server as unknown as ServerInternals;
  assert(internals.commonServerOptions !== undefined, 'grpc-js keeps its HTTP/2 options');
  assert(internals.http2Servers !== undefined, 'grpc-js keeps its HTTP/2 servers');
  internals.commonServerOptions.settings = {
    ...internals.commonServerOptions.settings,
    initialWindowSize: windowBytes,
  };
  const result = createHttp2Servers();
  for (const http2Server of internals.http2Servers.keys()) {
    http2Server.on('session', (session: ServerHttp2Session) => {
      session.setLocalWindowSize(windowBytes);
    });
  }
  return result;
}
