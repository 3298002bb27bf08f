/**
 * The messages of loglog.proto as the plain types of service.ts. Producer ids and chains are
 * hexadecimal in TypeScript and bytes on the wire; an absent text is empty on the wire.
 */
import { batchKinds } from './batch.js';
import type { ErrorCode, LeaderHint, Outcome } from './errors.js';
import { assert, errorCodes, LogLogError } from './errors.js';
import type { MessageParts } from './message-parts.js';
import type {
  Acknowledgement,
  AppendOrder,
  AppendReply,
  AppendRequest,
  EndReply,
  LeaderChange,
  LogLogService,
  NodeStatus,
  RepairCounters,
  Page,
  ReadRequest,
  Role,
  StagedCounters,
  TailRequest,
  TransferReply,
  UploadFrame,
  UploadHello,
  UploadReply,
} from './service.js';
import type { Codec } from './wire.js';
import { bytesToHex, hexToBytes, malformed, required, Schema } from './wire.js';

export type EndRequest = Parameters<LogLogService['end']>[0];
export type StatusRequest = Parameters<LogLogService['status']>[0];
export type TransferRequest = Parameters<LogLogService['transfer']>[0];

/** What a client writes on an upload stream: the hello first, and only then. */
export type UploadRequest =
  | { readonly type: 'hello'; readonly hello: UploadHello }
  | { readonly type: 'frame'; readonly frame: UploadFrame };

/** What a client writes on a tail stream: the start first, and only then. */
export type TailMessage =
  | {
      readonly type: 'start';
      readonly request: TailRequest;
      /** Credits that come with it. */
      readonly pages?: number;
    }
  | { readonly type: 'credits'; readonly pages: number };

const producerBytes = 8;
const chainBytes = 16;

const schema = new Schema(new URL('./loglog.proto', import.meta.url), 'loglog.v1');

/** `{ [name]: text }`, or nothing if the text is empty. */
function present<Name extends string>(name: Name, text: string): { [name in Name]?: string } {
  return text === '' ? {} : ({ [name]: text } as { [name in Name]: string });
}

interface WireAppendRequest {
  readonly entries: readonly Buffer[];
  readonly expect?: number;
  readonly token?: Buffer;
  readonly clusterId: string;
}
const wireAppendRequest = schema.message<WireAppendRequest>('AppendRequest');

export const appendRequest: Codec<AppendRequest> = {
  encode: (request) => wireAppendRequest.encode(request),
  decode(bytes) {
    const { clusterId, ...rest } = wireAppendRequest.decode(bytes);
    return { ...rest, ...present('clusterId', clusterId) };
  },
};

interface WireUploadHello {
  readonly protocolVersion: number;
  readonly clusterId: string;
  readonly producer: Buffer;
}
interface WireUploadFrame extends Omit<UploadFrame, 'kind' | 'append'> {
  readonly hello: WireUploadHello | null;
  readonly kind: number;
  readonly append: AppendOrder | null;
}
const wireUploadFrame = schema.messageInParts<WireUploadFrame>('UploadFrame');

export const uploadRequest: Codec<UploadRequest> = {
  ...encodedInParts((request) => {
    if (request.type === 'frame') {
      const kind = batchKinds[request.frame.kind];
      return wireUploadFrame.encodeInParts({ ...request.frame, kind });
    }
    const { protocolVersion, clusterId = '', producer } = request.hello;
    const producerId = hexToBytes(producer, producerBytes, 'the producer id');
    const hello = { protocolVersion, clusterId, producer: producerId };
    return [wireUploadFrame.encode({ hello }), Buffer.alloc(0)];
  }),
  decode(bytes) {
    const { hello, kind, append, ...rest } = wireUploadFrame.decode(bytes);
    if (hello !== null) return { type: 'hello', hello: helloFromWire(hello) };
    const frame = { ...rest, kind: uploadKind(kind), ...(append !== null && { append }) };
    return { type: 'frame', frame };
  },
};

function encodedInParts<Value>(encodeInParts: (value: Value) => MessageParts) {
  return { encodeInParts, encode: (value: Value) => Buffer.concat(encodeInParts(value)) };
}

function helloFromWire({ protocolVersion, clusterId, producer }: WireUploadHello): UploadHello {
  return {
    protocolVersion,
    producer: bytesToHex(producer, producerBytes, 'the producer id'),
    ...present('clusterId', clusterId),
  };
}

function uploadKind(value: number): UploadFrame['kind'] {
  for (const kind of ['data', 'open', 'fence'] as const) {
    if (batchKinds[kind] === value) return kind;
  }
  throw malformed(`no batch of kind ${value} can be uploaded`);
}

interface WireReadRequest {
  readonly offset: number;
  readonly limit: number;
  readonly waitMs: number;
  readonly clusterId: string;
}
const wireReadRequest = schema.message<WireReadRequest>('ReadRequest');

export const readRequest: Codec<ReadRequest> = {
  encode: (request) => wireReadRequest.encode(request),
  decode(bytes) {
    const { clusterId, ...rest } = wireReadRequest.decode(bytes);
    return { ...rest, ...present('clusterId', clusterId) };
  },
};

interface WireTailRequest {
  readonly start: {
    readonly offset: number;
    readonly limit: number;
    readonly clusterId: string;
  } | null;
  readonly credits: number;
}
const wireTailRequest = schema.message<WireTailRequest>('TailRequest');

export const tailMessage: Codec<TailMessage> = {
  encode(message) {
    if (message.type === 'credits') return wireTailRequest.encode({ credits: message.pages });
    const { offset, limit, clusterId = '' } = message.request;
    return wireTailRequest.encode({ start: { offset, limit, clusterId }, credits: message.pages });
  },
  decode(bytes) {
    const { start, credits } = wireTailRequest.decode(bytes);
    if (start === null) return { type: 'credits', pages: credits };
    const { clusterId, ...rest } = start;
    const request = { ...rest, ...present('clusterId', clusterId) };
    return { type: 'start', request, ...(credits > 0 && { pages: credits }) };
  },
};

const wireEndRequest = schema.message<{ linearizable: boolean; clusterId: string }>('EndRequest');

export const endRequest: Codec<EndRequest> = {
  encode: (request) => wireEndRequest.encode(request),
  decode(bytes) {
    const { linearizable, clusterId } = wireEndRequest.decode(bytes);
    return { linearizable, ...present('clusterId', clusterId) };
  },
};

const wireStatusRequest = schema.message<{ clusterId: string }>('StatusRequest');

export const statusRequest: Codec<StatusRequest> = {
  encode: (request) => wireStatusRequest.encode(request),
  decode: (bytes) => present('clusterId', wireStatusRequest.decode(bytes).clusterId),
};

const wireTransferRequest = schema.message<{ to: string; clusterId: string }>('TransferRequest');

export const transferRequest: Codec<TransferRequest> = {
  encode: (request) => wireTransferRequest.encode(request),
  decode(bytes) {
    const { to, clusterId } = wireTransferRequest.decode(bytes);
    return { ...present('to', to), ...present('clusterId', clusterId) };
  },
};

export const appendReply: Codec<AppendReply> = schema.message<AppendReply>('AppendReply');
const wirePage = schema.messageInParts<Page>('Page');
export const page: Codec<Page> = {
  ...encodedInParts(wirePage.encodeInParts),
  decode: wirePage.decode,
};
export const endReply: Codec<EndReply> = schema.message<EndReply>('EndReply');
export const transferReply: Codec<TransferReply> = schema.message<TransferReply>('TransferReply');

interface WireLeaderChange {
  readonly id: string;
  readonly address: string;
  readonly term: number;
}

function leaderToWire(leader: LeaderHint | undefined, term: number): WireLeaderChange {
  return { id: leader?.id ?? '', address: leader?.address ?? '', term };
}

function leaderFromWire({ id, address, term }: WireLeaderChange): LeaderChange {
  return { term, ...(id !== '' && { leader: { id, ...present('address', address) } }) };
}

interface WireUploadReply {
  readonly welcome: {
    readonly protocolVersion: number;
    readonly clusterId: string;
    readonly nodeId: string;
    readonly leader: WireLeaderChange | null;
  } | null;
  readonly acknowledged: readonly Acknowledgement[];
  readonly refused: {
    readonly epoch: number;
    readonly sequence: number;
    readonly error: WireErrorDetail | null;
  } | null;
  readonly leader: WireLeaderChange | null;
  readonly missing: readonly number[];
}
const wireUploadReply = schema.message<WireUploadReply>('UploadReply');

export const uploadReply: Codec<UploadReply> = {
  encode(reply) {
    switch (reply.type) {
      case 'welcome': {
        const { protocolVersion, clusterId, nodeId } = reply;
        const leader = leaderToWire(reply.leader.leader, reply.leader.term);
        return wireUploadReply.encode({
          welcome: { protocolVersion, clusterId, nodeId, leader },
        });
      }
      case 'acknowledged':
        assert(reply.acknowledgements.length > 0, 'an acknowledgement is of something');
        return wireUploadReply.encode({ acknowledged: reply.acknowledgements });
      case 'refused': {
        const { epoch, sequence } = reply;
        const error = errorToWire(reply.error);
        return wireUploadReply.encode({ refused: { epoch, sequence, error } });
      }
      case 'leader':
        return wireUploadReply.encode({
          leader: leaderToWire(reply.change.leader, reply.change.term),
        });
      case 'missing':
        assert(reply.sequences.length > 0, 'what is missing is something');
        return wireUploadReply.encode({ missing: reply.sequences });
    }
  },
  decode(bytes) {
    const { welcome, acknowledged, refused, leader, missing } = wireUploadReply.decode(bytes);
    if (welcome !== null) {
      const change = leaderFromWire(required(welcome.leader, 'the leader'));
      return { type: 'welcome', ...welcome, leader: change };
    }
    if (refused !== null) {
      const { epoch, sequence } = refused;
      const error = errorFromWire(required(refused.error, 'the error'));
      return { type: 'refused', epoch, sequence, error };
    }
    if (leader !== null) return { type: 'leader', change: leaderFromWire(leader) };
    if (acknowledged.length > 0) return { type: 'acknowledged', acknowledgements: acknowledged };
    if (missing.length > 0) return { type: 'missing', sequences: missing };
    throw malformed('an upload reply that says nothing');
  },
};

interface WireStatusReply extends Omit<
  NodeStatus,
  'role' | 'leader' | 'chain' | 'nodes' | 'staged' | 'repairs'
> {
  readonly role: string;
  readonly leader: WireLeaderChange | null;
  readonly chain: Buffer;
  readonly nodes: readonly { readonly id: string; readonly address: string }[];
  readonly staged: StagedCounters | null;
  readonly repairs: RepairCounters | null;
}
const wireStatusReply = schema.message<WireStatusReply>('StatusReply');

export const statusReply: Codec<NodeStatus> = {
  encode: (status) =>
    wireStatusReply.encode({
      ...status,
      leader: leaderToWire(status.leader.leader, status.leader.term),
      chain: hexToBytes(status.chain, chainBytes, 'the chain value'),
      nodes: status.nodes.map(({ id, address = '' }) => ({ id, address })),
    }),
  decode(bytes) {
    const status = wireStatusReply.decode(bytes);
    return {
      ...status,
      role: roleFromWire(status.role),
      leader: leaderFromWire(required(status.leader, 'the leader')),
      chain: bytesToHex(status.chain, chainBytes, 'the chain value'),
      nodes: status.nodes.map(({ id, address }) => ({ id, ...present('address', address) })),
      staged: required(status.staged, 'the counters of staged uploads'),
      repairs: required(status.repairs, 'the counters of repairs'),
    };
  },
};

function roleFromWire(text: string): Role {
  if (text === 'follower' || text === 'candidate' || text === 'leader') return text;
  throw malformed(`there is no role ${text}`);
}

interface WireErrorDetail {
  readonly code: string;
  readonly message: string;
  readonly retryable: boolean;
  readonly outcome: string;
  readonly leader: WireLeaderChange | null;
  readonly firstOffset?: number | undefined;
  readonly end?: number | undefined;
  readonly limit?: number | undefined;
}
const wireErrorDetail = schema.message<WireErrorDetail>('ErrorDetail');

export const errorDetail: Codec<LogLogError> = {
  encode: (error) => wireErrorDetail.encode(errorToWire(error)),
  decode: (bytes) => errorFromWire(wireErrorDetail.decode(bytes)),
};

function errorToWire(error: LogLogError): WireErrorDetail {
  const { code, message, retryable, outcome, firstOffset, end, limit } = error;
  const leader = error.leader === undefined ? null : leaderToWire(error.leader, 0);
  return { code, message, retryable, outcome, leader, firstOffset, end, limit };
}

function errorFromWire(detail: WireErrorDetail): LogLogError {
  const { code, message, leader, firstOffset, end, limit } = detail;
  const known = Object.hasOwn(errorCodes, code);
  const hint = leader === null ? undefined : leaderFromWire(leader).leader;
  return new LogLogError(
    known ? (code as ErrorCode) : 'INTERNAL',
    known ? message : `${code}: ${message}`,
    {
      outcome: outcomeFromWire(detail.outcome),
      ...(hint !== undefined && { leader: hint }),
      ...(firstOffset !== undefined && { firstOffset }),
      ...(end !== undefined && { end }),
      ...(limit !== undefined && { limit }),
    },
  );
}

/** An outcome that this version has no word for is unknown in the plain sense. */
function outcomeFromWire(text: string): Outcome {
  return text === 'none' || text === 'committed' ? text : 'unknown';
}

/** The shape of google.rpc.Status. */
export interface RpcStatus {
  readonly code: number;
  readonly message: string;
  readonly details: readonly { readonly typeUrl: string; readonly value: Buffer }[];
}
export const rpcStatus: Codec<RpcStatus> = schema.message<RpcStatus>('RpcStatus');
