import type { LogLogService } from '../proto/service.js';

/** A way to one node. It connects when it is first used, and again when it has to. */
export interface Connection {
  readonly service: LogLogService;
  close(): void;
}

/** Where connections come from: gRPC (grpc-transport.ts), the process itself, or a simulator. */
export interface Transport {
  /** Fails never: a node that is not there shows in the calls made to it. */
  open(address: string): Connection;
}

/** Reaches the node at `address` in this process, and every other one over `others`. */
export function withLocalNode(
  address: string,
  service: LogLogService,
  others: Transport,
): Transport {
  return {
    open: (wanted) =>
      wanted === address ? { service, close: () => undefined } : others.open(wanted),
  };
}
