import { systemClock, systemRandom } from '../proto/system.js';
import { parseAddresses } from './arguments.js';
import type { Client } from './client.js';
import { createClient } from './client.js';
import { grpcTransport } from './grpc-transport.js';
import type { CallOptions } from './scope.js';

export interface ConnectOptions extends CallOptions {
  /** Refuses to talk to any other cluster. */
  readonly clusterId?: string;
}

/**
 * A client of the cluster of which some node answers at one of the addresses (`host:port`, as an
 * array or with commas between). Rejects with UNAVAILABLE when none has within `timeoutMs`, 10 s
 * by default.
 */
export async function connect(
  cluster: string | readonly string[],
  { clusterId, ...call }: ConnectOptions = {},
): Promise<Client> {
  const client = createClient({
    transport: grpcTransport,
    clock: systemClock,
    random: systemRandom,
    seeds: parseAddresses(cluster),
    ...(clusterId !== undefined && { clusterId }),
  });
  try {
    await client.ready(call);
    return client;
  } catch (error) {
    await client.close();
    throw error;
  }
}
