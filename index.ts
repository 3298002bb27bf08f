/** The package's entry: the client, the node to embed, and what the two have in common. */
import type { Client } from './client/index.js';
import { createClient, grpcTransport, withLocalNode } from './client/index.js';
import type { LogLogError } from './proto/errors.js';
import type { NodeStatus } from './proto/service.js';
import { systemClock, systemRandom } from './proto/system.js';
import type { NodeOptions, VerifyReport } from './server/index.js';
import { ServerNode, systemDisk, verifyDirectory as verify } from './server/index.js';

export type {
  AppendOptions,
  Appended,
  Client,
  ClusterStatus,
  ConnectOptions,
  PageOptions,
  ReadOptions,
  Position,
  ReachableNode,
  Ticket,
  UnreachableNode,
  Writer,
  WriterOptions,
} from './client/index.js';
export { connect } from './client/index.js';
export type { Entry } from './proto/entries.js';
export type { ErrorCode, ExitKind, LeaderHint, Outcome } from './proto/errors.js';
export { errorCodes, LogLogError } from './proto/errors.js';
export { entryBytesMax } from './proto/limits.js';
export type { NodeStatus, Page } from './proto/service.js';
export type { Logger, NodeOptions, VerifyReport } from './server/index.js';

/** A node of a cluster, or a cluster of one, inside this process. */
export class Node {
  readonly #server: ServerNode;

  private constructor(server: ServerNode) {
    this.#server = server;
  }

  /** Throws a LogLogError that says what is wrong, and then leaves nothing open. */
  static async start(options: NodeOptions): Promise<Node> {
    return new Node(await ServerNode.start(options));
  }

  get id(): string {
    return this.#server.id;
  }

  get clusterId(): string {
    return this.#server.clusterId;
  }

  /** Where clients reach this node; `local:ID` if only those in this process do. */
  get address(): string {
    return this.#server.address;
  }

  /** Where the other nodes reach it; undefined in a cluster of one. */
  get peerAddress(): string | undefined {
    return this.#server.peerAddress;
  }

  /** Resolves if the node has to stop by itself (a failing disk, rot), with the reason. */
  get failed(): Promise<LogLogError> {
    return this.#server.failed;
  }

  /** A client that calls this node directly and reaches the others over gRPC. */
  client(): Client {
    const { address, service } = this.#server;
    return createClient({
      transport: withLocalNode(address, service, grpcTransport),
      seeds: [address],
      clock: systemClock,
      random: systemRandom,
      clusterId: this.clusterId,
    });
  }

  status(): Promise<NodeStatus> {
    return this.#server.status();
  }

  /** Hands leadership over, syncs and closes. Safe to call again. */
  stop(): Promise<void> {
    return this.#server.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

/** Checks a data directory: every segment, every checksum, the chain. Writes nothing. */
export function verifyDirectory(
  directory: string,
  onProgress?: (doneBytes: number, totalBytes: number) => void,
  signal?: AbortSignal,
): Promise<VerifyReport> {
  return verify(systemDisk, directory, onProgress, signal);
}
