/** Ports on loopback for the nodes of a cluster on one machine. */
import { createServer } from 'node:net';
import { LogLogError } from '../proto/errors.js';

export const localHost = '127.0.0.1';

/** Where the nth node serves clients; its peers reach it on the port after. */
const portsPerNode = 10;

/** Below those that the system hands out for outgoing connections, so that a restart finds them. */
const freePortMin = 10_000;
const freePortMax = 32_000;
const freePortTries = 100;

/** Client ports of the nodes of a cluster that begins at `base`. */
export function clientPorts(base: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => base + index * portsPerNode);
}

/** A base at which every node's two ports are free now. */
export async function freeBasePort(count: number): Promise<number> {
  for (let attempt = 0; attempt < freePortTries; attempt++) {
    const base = freePortMin + Math.floor(Math.random() * (freePortMax - freePortMin));
    if ((await firstTaken(base, count)) === undefined) return base;
  }
  throw new LogLogError('ADDRESS_IN_USE', `no free ports found on ${localHost}`);
}

/** The first port that a cluster at `base` needs and cannot have. */
export async function firstTaken(base: number, count: number): Promise<number | undefined> {
  for (const clientPort of clientPorts(base, count)) {
    for (const port of [clientPort, clientPort + 1]) {
      if (!(await isFree(port))) return port;
    }
  }
  return undefined;
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, localHost, () => server.close(() => resolve(true)));
  });
}
