/** What a client may ask of a bare node: uploads, reads and tails, as of any other. */
import { LogLogError } from '../../../proto/errors.js';
import type {
  AppendReply,
  EndReply,
  LogLogService,
  NodeStatus,
  Page,
  ReadRequest,
  TailHandlers,
  TailRequest,
  TailStream,
  TransferReply,
  UploadHandlers,
  UploadHello,
  UploadStream,
} from '../../../proto/service.js';
import { protocolVersion } from '../../../proto/service.js';
import type { Members } from '../../../server/members.js';
import { firstIncarnation } from '../../../server/raft/types.js';
import type { Readers } from '../../../server/readers.js';
import { Session } from '../../../server/session.js';
import { nothingStaged } from '../../client/nothing-staged.js';
import type { BareLog } from './bare-log.js';
import { bareTerm } from './bare-log.js';
import type { BarePart } from './bare-part.js';

export interface BareServiceParts {
  readonly id: string;
  readonly clusterId: string;
  readonly members: Members;
  readonly log: BareLog;
  readonly part: BarePart;
  readonly readers: Readers;
  peerBytesSent(): number;
}

export class BareService implements LogLogService {
  readonly #parts: BareServiceParts;

  constructor(parts: BareServiceParts) {
    this.#parts = parts;
  }

  async append(): Promise<AppendReply> {
    throw notBare('an append that is not uploaded');
  }

  upload(hello: UploadHello, handlers: UploadHandlers): UploadStream {
    const { part, clusterId, id: nodeId, members } = this.#parts;
    const session = new Session(hello, handlers, {
      orderer: part.orderer,
      pool: part.pool,
      onStaged: () => undefined,
      isPast: () => false,
      onClose: () => undefined,
    });
    const leader = members.leaderChange;
    handlers.onReply({ type: 'welcome', protocolVersion, clusterId, nodeId, leader });
    return session;
  }

  read(request: ReadRequest, signal: AbortSignal): Promise<Page> {
    return this.#parts.readers.read(request, signal);
  }

  tail(request: TailRequest, handlers: TailHandlers): TailStream {
    return this.#parts.readers.tail(request, handlers);
  }

  async end({ linearizable }: { linearizable: boolean }): Promise<EndReply> {
    const { members, readers, id } = this.#parts;
    if (linearizable && members.leader?.id !== id) throw members.notLeader();
    const end = readers.readableOffset;
    return { end, dataEnd: end };
  }

  async status(): Promise<NodeStatus> {
    const { id, clusterId, members, log, part, readers } = this.#parts;
    const { user, system } = process.cpuUsage();
    return {
      protocolVersion,
      version: 'bare',
      clusterId,
      nodeId: id,
      processId: process.pid,
      role: members.leader?.id === id ? 'leader' : 'follower',
      term: bareTerm,
      leader: members.leaderChange,
      firstOffset: log.log.firstOffset,
      durableOffset: log.log.durableOffset,
      commitOffset: readers.readableOffset,
      endOffset: log.endOffset,
      // Of the end: nothing is taken back here.
      chain: log.chain,
      dataEnd: readers.readableOffset,
      residentBytes: process.memoryUsage.rss(),
      cpuMicros: user + system,
      peerBytesSent: this.#parts.peerBytesSent(),
      nodes: members.addresses,
      staged: { ...nothingStaged, ...part.counters },
      incarnation: firstIncarnation,
      admitted: true,
      repairs: { ranges: 0, bytes: 0 },
    };
  }

  async transfer(): Promise<TransferReply> {
    throw notBare('a transfer of leadership');
  }
}

function notBare(what: string): LogLogError {
  return new LogLogError('INVALID_ARGUMENT', `the bare pipe does not serve ${what}`);
}
