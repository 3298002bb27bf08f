/** Binding a server to an address, with errors that name it. */
import type { Server } from 'node:net';
import { assert, LogLogError } from '../../proto/errors.js';
import type { Logger } from '../logger.js';

export interface ListenAddress {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
}

/** Resolves to the address really bound, as `host:port`; throws ADDRESS_IN_USE or CONFIG_INVALID. */
export async function listen(server: Server, at: ListenAddress, logger: Logger): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    const fail = (error: Error) => reject(listenError(error, hostPort(at.host, at.port)));
    server.once('error', fail);
    server.listen({ host: at.host, port: at.port }, () => {
      server.off('error', fail);
      resolve();
    });
  });
  // Emitted when the process has no file descriptor left, say; later connections may fare better.
  server.on('error', (error) => logger.error({ err: error }, 'a connection was not accepted'));
  const address = server.address();
  assert(address !== null && typeof address === 'object', 'a TCP server has a TCP address');
  return hostPort(address.address, address.port);
}

function listenError(error: NodeJS.ErrnoException, address: string): LogLogError {
  return error.code === 'EADDRINUSE'
    ? new LogLogError('ADDRESS_IN_USE', `${address} is in use already`, { cause: error })
    : new LogLogError('CONFIG_INVALID', `cannot listen on ${address}: ${error.message}`, {
        cause: error,
      });
}

function hostPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
