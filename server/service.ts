/** What clients may ask of this node: the one implementation behind gRPC and in one process. */
import type { ProducerId } from '../proto/batch.js';
import { noProducer } from '../proto/batch.js';
import { bodyChecksum } from '../proto/checksum.js';
import { encodeEntries } from '../proto/entries.js';
import { LogLogError } from '../proto/errors.js';
import {
  batchEntriesMax,
  bodyBytesMax,
  entryBytesMax,
  entryLengthBytes,
  headerBytes,
} from '../proto/limits.js';
import type {
  AppendReply,
  AppendRequest,
  EndReply,
  LogLogService,
  NodeStatus,
  Page,
  ReadRequest,
  RepairCounters,
  TailHandlers,
  TailRequest,
  TailStream,
  TransferReply,
  UploadHandlers,
  UploadHello,
  UploadStream,
} from '../proto/service.js';
import { protocolVersion } from '../proto/service.js';
import type { Members } from './members.js';
import type { Append, AppendResult, Orderer } from './orderer.js';
import type { NodeId } from './raft/types.js';
import type { Readers } from './readers.js';
import { waitMsMax } from './readers.js';
import type { Replica } from './replica.js';
import { Session } from './session.js';
import type { Store } from './store.js';
import type { StagingPool } from './uploads/pool.js';

/** Upload streams at a time. */
export const sessionsMax = 4096;

export interface ServiceParts {
  readonly id: NodeId;
  readonly clusterId: string;
  readonly version: string;
  readonly processId: number;
  incarnation(): number;
  readonly repairedAtStart: RepairCounters;
  residentBytes(): number;
  cpuMicros(): number;
  peerBytesSent(): number;
  readonly members: Members;
  readonly store: Store;
  readonly replica: Replica;
  readonly orderer: Orderer;
  readonly pool: StagingPool;
  readonly readers: Readers;
  /** The producer's body was staged: a reference may wait for it. */
  readonly onStaged: (producer: ProducerId) => void;
}

export class Service implements LogLogService {
  readonly #parts: ServiceParts;
  readonly #sessions = new Set<Session>();
  #stopped: LogLogError | null = null;

  constructor(parts: ServiceParts) {
    this.#parts = parts;
  }

  async append(request: AppendRequest, signal: AbortSignal): Promise<AppendReply> {
    this.#check(request.clusterId);
    const body = frame(request.entries);
    await this.#room(signal);
    this.#check(request.clusterId);
    const { offset, end } = await this.#order(body, request, signal);
    return { offset, end, entryOffsets: offsetsOf(request.entries, offset) };
  }

  upload(hello: UploadHello, handlers: UploadHandlers): UploadStream {
    const problem = this.#problemOf(hello);
    if (problem !== undefined) {
      queueMicrotask(() => handlers.onClose(problem));
      return { send: () => true, close: () => undefined };
    }
    const session = new Session(hello, handlers, {
      orderer: this.#parts.orderer,
      pool: this.#parts.pool,
      onStaged: this.#parts.onStaged,
      isPast: (...batch) => this.#parts.store.tip.producers.isPast(...batch),
      onClose: (closed) => this.#sessions.delete(closed),
    });
    this.#sessions.add(session);
    const { clusterId, id: nodeId, members } = this.#parts;
    const leader = members.leaderChange;
    handlers.onReply({ type: 'welcome', protocolVersion, clusterId, nodeId, leader });
    return session;
  }

  async read(request: ReadRequest, signal: AbortSignal): Promise<Page> {
    this.#check(request.clusterId);
    return this.#parts.readers.read(request, signal);
  }

  tail(request: TailRequest, handlers: TailHandlers): TailStream {
    try {
      this.#check(request.clusterId);
      return this.#parts.readers.tail(request, handlers);
    } catch (error) {
      if (!(error instanceof LogLogError)) throw error;
      queueMicrotask(() => handlers.onClose(error));
      return { credit: () => undefined, close: () => undefined };
    }
  }

  async end(
    request: { linearizable: boolean; clusterId?: string },
    signal: AbortSignal,
  ): Promise<EndReply> {
    this.#check(request.clusterId);
    const { replica, readers, store } = this.#parts;
    if (request.linearizable) {
      const offset = await replica.readIndex();
      // This node may be behind: its own state answers once it has got there.
      while (readers.readableOffset < offset) {
        await readers.wait(offset - 1, waitMsMax, signal);
      }
    }
    return { end: store.committed.endOffset, dataEnd: store.committed.dataEnd };
  }

  async status(request: { clusterId?: string }): Promise<NodeStatus> {
    this.#check(request.clusterId);
    const { store, members, replica, pool, orderer } = this.#parts;
    const { role, term } = replica.role;
    return {
      protocolVersion,
      version: this.#parts.version,
      clusterId: this.#parts.clusterId,
      nodeId: this.#parts.id,
      processId: this.#parts.processId,
      role,
      term,
      leader: members.leaderChange,
      firstOffset: store.log.firstOffset,
      durableOffset: store.log.durableOffset,
      commitOffset: store.committed.endOffset,
      endOffset: store.log.endOffset,
      chain: store.committed.endChain,
      dataEnd: store.committed.dataEnd,
      residentBytes: this.#parts.residentBytes(),
      cpuMicros: this.#parts.cpuMicros(),
      peerBytesSent: this.#parts.peerBytesSent(),
      nodes: members.addresses,
      staged: pool.counters,
      incarnation: this.#parts.incarnation(),
      admitted: replica.admitted,
      repairs: this.#repairs,
      ...(orderer.stalled !== null && { stalled: orderer.stalled }),
    };
  }

  get #repairs(): RepairCounters {
    const { repairedAtStart, store } = this.#parts;
    const { ranges, bytes } = store.log.repairs;
    return { ranges: repairedAtStart.ranges + ranges, bytes: repairedAtStart.bytes + bytes };
  }

  async transfer(request: { to?: string; clusterId?: string }): Promise<TransferReply> {
    this.#check(request.clusterId);
    const { replica, members, id } = this.#parts;
    const { to } = request;
    if (to !== undefined && !members.ids.includes(to)) {
      throw new LogLogError('UNKNOWN_NODE', `there is no node ${to}: ${members.ids.join(', ')}`);
    }
    if (!replica.leading) throw members.notLeader();
    if (to !== id) {
      const ok = await replica.transfer(to);
      if (!ok) {
        throw new LogLogError('TRANSFER_FAILED', `${to ?? 'no other node'} did not take the lead`);
      }
    }
    const { leader, term } = members.leaderChange;
    return { leader: leader?.id ?? to ?? id, term };
  }

  /** Another leader, or another way to it. */
  leaderChanged(): void {
    const change = this.#parts.members.leaderChange;
    for (const session of this.#sessions) session.leader(change);
  }

  /** This node lacks the body of a batch. */
  askProducer(producer: ProducerId, sequence: number): void {
    for (const session of this.#sessions) session.ask(producer, sequence);
  }

  stop(error: LogLogError): void {
    this.#stopped = error;
    for (const session of this.#sessions) session.end(error);
  }

  async #order(
    body: Buffer,
    request: AppendRequest,
    signal: AbortSignal,
  ): Promise<Extract<AppendResult, { type: 'committed' }>> {
    const { expect, token } = request;
    return new Promise((resolve, reject) => {
      const cancel = () =>
        reject(new LogLogError('CANCELLED', 'the append was cancelled', { outcome: 'unknown' }));
      signal.addEventListener('abort', cancel);
      const append: Append = {
        kind: 'data',
        producer: noProducer,
        epoch: 0,
        sequence: 0,
        follows: 0,
        entryCount: request.entries.length,
        bodyChecksum: bodyChecksum(body),
        body,
        uploadedTo: 0,
        ...(expect !== undefined && { expect }),
        ...(token !== undefined && { token }),
        done(result) {
          signal.removeEventListener('abort', cancel);
          if (result.type === 'committed') resolve(result);
          else reject(result.error);
        },
      };
      this.#parts.orderer.submit(append);
    });
  }

  async #room(signal: AbortSignal): Promise<void> {
    const { orderer } = this.#parts;
    while (!orderer.hasRoom && !signal.aborted) {
      await new Promise<void>((resolve) => {
        orderer.onRoom(resolve);
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
    }
    if (signal.aborted) throw new LogLogError('CANCELLED', 'the append was cancelled');
  }

  #problemOf(hello: UploadHello): LogLogError | undefined {
    if (this.#stopped !== null) return this.#stopped;
    if (hello.protocolVersion !== protocolVersion) {
      return new LogLogError(
        'PROTOCOL_VERSION',
        `protocol version ${hello.protocolVersion}; this node speaks ${protocolVersion}`,
      );
    }
    if (this.#sessions.size >= sessionsMax) {
      return new LogLogError('RESOURCE_EXHAUSTED', 'too many upload streams', {
        limit: sessionsMax,
      });
    }
    return this.#clusterProblem(hello.clusterId);
  }

  #check(clusterId: string | undefined): void {
    const problem = this.#stopped ?? this.#clusterProblem(clusterId);
    if (problem !== undefined) throw problem;
  }

  #clusterProblem(clusterId: string | undefined): LogLogError | undefined {
    if (clusterId === undefined || clusterId === '' || clusterId === this.#parts.clusterId) {
      return undefined;
    }
    return new LogLogError('WRONG_CLUSTER', `this is cluster ${this.#parts.clusterId}`);
  }
}

/** Frames the entries of a unary append. Throws EMPTY_APPEND, ENTRY_TOO_LARGE, BATCH_TOO_LARGE. */
function frame(entries: readonly Buffer[]): Buffer {
  let bytes = 0;
  for (const entry of entries) {
    if (entry.length > entryBytesMax) {
      throw new LogLogError('ENTRY_TOO_LARGE', `an entry of ${entry.length} bytes`, {
        limit: entryBytesMax,
      });
    }
    bytes += entryLengthBytes + entry.length;
  }
  if (bytes === entries.length * entryLengthBytes) {
    throw new LogLogError('EMPTY_APPEND', 'an append of no bytes');
  }
  if (bytes > bodyBytesMax) {
    throw new LogLogError('BATCH_TOO_LARGE', `entries of ${bytes} bytes in one append`, {
      limit: bodyBytesMax,
    });
  }
  if (entries.length > batchEntriesMax) {
    throw new LogLogError('BATCH_TOO_LARGE', `${entries.length} entries in one append`, {
      limit: batchEntriesMax,
    });
  }
  return encodeEntries(entries);
}

function offsetsOf(entries: readonly Buffer[], batchOffset: number): number[] {
  let at = batchOffset + headerBytes;
  return entries.map((entry) => {
    const offset = at;
    at += entryLengthBytes + entry.length;
    return offset;
  });
}
