/** The methods of loglog.proto for @grpc/grpc-js, on both sides, in the types of service.ts. */
import type { MethodDefinition } from '@grpc/grpc-js';
import { asOneBuffer } from './message-parts.js';
import type {
  EndRequest,
  StatusRequest,
  TailMessage,
  TransferRequest,
  UploadRequest,
} from './messages.js';
import * as messages from './messages.js';
import type {
  AppendReply,
  AppendRequest,
  EndReply,
  NodeStatus,
  Page,
  ReadRequest,
  TransferReply,
  UploadReply,
} from './service.js';
import type { Codec } from './wire.js';

const unary = { requestStream: false, responseStream: false } as const;
const bidirectional = { requestStream: true, responseStream: true } as const;

function method<Request, Reply>(
  name: string,
  shape: typeof unary | typeof bidirectional,
  request: Codec<Request>,
  reply: Codec<Reply>,
): MethodDefinition<Request, Reply> {
  return {
    path: `/loglog.v1.LogLog/${name}`,
    ...shape,
    requestSerialize: serializerOf(request),
    requestDeserialize: request.decode,
    responseSerialize: serializerOf(reply),
    responseDeserialize: reply.decode,
  };
}

function serializerOf<Value>({ encode, encodeInParts }: Codec<Value>): (value: Value) => Buffer {
  if (encodeInParts === undefined) return encode;
  return (value) => asOneBuffer(encodeInParts(value));
}

export interface LogLogMethods {
  readonly append: MethodDefinition<AppendRequest, AppendReply>;
  readonly upload: MethodDefinition<UploadRequest, UploadReply>;
  readonly read: MethodDefinition<ReadRequest, Page>;
  readonly tail: MethodDefinition<TailMessage, Page>;
  readonly end: MethodDefinition<EndRequest, EndReply>;
  readonly status: MethodDefinition<StatusRequest, NodeStatus>;
  readonly transfer: MethodDefinition<TransferRequest, TransferReply>;
}

export const loglogMethods: LogLogMethods = {
  append: method('Append', unary, messages.appendRequest, messages.appendReply),
  upload: method('Upload', bidirectional, messages.uploadRequest, messages.uploadReply),
  read: method('Read', unary, messages.readRequest, messages.page),
  tail: method('Tail', bidirectional, messages.tailMessage, messages.page),
  end: method('End', unary, messages.endRequest, messages.endReply),
  status: method('Status', unary, messages.statusRequest, messages.statusReply),
  transfer: method('Transfer', unary, messages.transferRequest, messages.transferReply),
};
