/**
 * What a node offers its clients, without saying how they are connected. The server implements it
 * once; gRPC carries it (server/rpc, client/transport), and in one process the client is handed
 * the object itself. Every failure is a LogLogError. Field meanings: loglog.proto.
 */
import type { Chain, ProducerId } from './batch.js';
import type { LeaderHint, LogLogError } from './errors.js';

export const protocolVersion = 1;

export interface AppendRequest {
  readonly entries: readonly Buffer[];
  readonly expect?: number;
  readonly token?: Buffer;
  readonly clusterId?: string;
}

export interface AppendReply {
  readonly offset: number;
  readonly end: number;
  readonly entryOffsets: readonly number[];
}

export interface UploadHello {
  readonly protocolVersion: number;
  readonly clusterId?: string;
  readonly producer: ProducerId;
}

export interface AppendOrder {
  readonly follows: number;
  readonly expect?: number;
  readonly token?: Buffer;
  readonly uploadedTo: number;
}

/** A batch on its way in. Frames are immutable: one object may be sent to several nodes. */
export interface UploadFrame {
  readonly kind: 'data' | 'open' | 'fence';
  readonly epoch: number;
  readonly sequence: number;
  readonly entryCount: number;
  readonly bodyChecksum: number;
  readonly append?: AppendOrder;
  readonly body: Buffer;
}

export interface LeaderChange {
  /** Absent when no leader is known. */
  readonly leader?: LeaderHint;
  readonly term: number;
}

export interface Acknowledgement {
  readonly epoch: number;
  readonly sequence: number;
  readonly offset: number;
  readonly end: number;
}

export type UploadReply =
  | {
      readonly type: 'welcome';
      readonly protocolVersion: number;
      readonly clusterId: string;
      readonly nodeId: string;
      readonly leader: LeaderChange;
    }
  | { readonly type: 'acknowledged'; readonly acknowledgements: readonly Acknowledgement[] }
  | {
      readonly type: 'refused';
      readonly epoch: number;
      readonly sequence: number;
      readonly error: LogLogError;
    }
  | { readonly type: 'leader'; readonly change: LeaderChange }
  | { readonly type: 'missing'; readonly sequences: readonly number[] };

/** What the receiving side of a stream does; never called again after `onClose`. */
export interface UploadHandlers {
  onReply(reply: UploadReply): void;
  /** There is room again after `send` returned false. */
  onDrain(): void;
  /** The stream has ended; without an error only if `close` was called. */
  onClose(error?: LogLogError): void;
}

export interface UploadStream {
  /** Takes the frame in any case; false asks the caller to wait for `onDrain` before the next. */
  send(frame: UploadFrame): boolean;
  close(): void;
}

export interface ReadRequest {
  readonly offset: number;
  readonly limit: number;
  readonly waitMs: number;
  readonly clusterId?: string;
}

export interface Page {
  /** Of the first batch: at or before the offset asked for. */
  readonly offset: number;
  /** Where the next page begins. */
  readonly next: number;
  readonly commitOffset: number;
  readonly batches: Buffer;
}

export interface TailRequest {
  readonly offset: number;
  readonly limit: number;
  readonly clusterId?: string;
}

export interface TailHandlers {
  onPage(page: Page): void;
  onClose(error?: LogLogError): void;
}

export interface TailStream {
  /** Pages that the reader is ready for, beyond those that it was before. It begins with none. */
  credit(pages: number): void;
  close(): void;
}

export interface EndReply {
  readonly end: number;
  readonly dataEnd: number;
}

export type Role = 'follower' | 'candidate' | 'leader';

export interface StagedCounters {
  readonly stagedBatches: number;
  readonly stagedBytes: number;
  readonly matchedBatches: number;
  readonly matchedBytes: number;
  readonly inlinedBatches: number;
  readonly inlinedBytes: number;
  readonly missing: number;
  readonly missingBytes: number;
  readonly mismatched: number;
  readonly mismatchedBytes: number;
  readonly expired: number;
  readonly expiredBytes: number;
  readonly heldBatches: number;
  readonly heldBytes: number;
}

/** What this node's disk had lost and other nodes gave back, since the node was started. */
export interface RepairCounters {
  readonly ranges: number;
  readonly bytes: number;
}

export interface NodeAddress {
  readonly id: string;
  /** Absent while this node has not met that one. */
  readonly address?: string;
}

export interface NodeStatus {
  readonly protocolVersion: number;
  readonly version: string;
  readonly clusterId: string;
  readonly nodeId: string;
  readonly processId: number;
  readonly role: Role;
  readonly term: number;
  readonly leader: LeaderChange;
  readonly firstOffset: number;
  readonly durableOffset: number;
  readonly commitOffset: number;
  readonly endOffset: number;
  /** At commitOffset. */
  readonly chain: Chain;
  /** End of the last committed data batch. */
  readonly dataEnd: number;
  readonly residentBytes: number;
  /** Processor time of the process, user and system, since it began: microseconds. */
  readonly cpuMicros: number;
  /** To other nodes, in messages, since the node was started. */
  readonly peerBytesSent: number;
  /** Every node, sorted by id: bit i of `uploadedTo` is nodes[i]. */
  readonly nodes: readonly NodeAddress[];
  readonly staged: StagedCounters;
  /** 1 at first; another when the node has lost what it promised, and came back. */
  readonly incarnation: number;
  /** False until the other nodes have let this incarnation in. */
  readonly admitted: boolean;
  readonly repairs: RepairCounters;
  /** Why the node writes nothing until that has passed: its disk is full. */
  readonly stalled?: string;
}

export interface TransferReply {
  readonly leader: string;
  readonly term: number;
}

export interface LogLogService {
  append(request: AppendRequest, signal: AbortSignal): Promise<AppendReply>;
  upload(hello: UploadHello, handlers: UploadHandlers): UploadStream;
  read(request: ReadRequest, signal: AbortSignal): Promise<Page>;
  tail(request: TailRequest, handlers: TailHandlers): TailStream;
  end(
    request: { linearizable: boolean; clusterId?: string },
    signal: AbortSignal,
  ): Promise<EndReply>;
  status(request: { clusterId?: string }, signal: AbortSignal): Promise<NodeStatus>;
  transfer(
    request: { to?: string; clusterId?: string },
    signal: AbortSignal,
  ): Promise<TransferReply>;
}
