/** How a LogLogError travels with a gRPC status: docs/PROTOCOL.md, "Errors". */
import { Metadata } from '@grpc/grpc-js';
import type { ErrorCode, Outcome } from './errors.js';
import { errorCodes, grpcStatus, LogLogError } from './errors.js';
import { errorDetail, rpcStatus } from './messages.js';

/** The trailer in which gRPC implementations look for a google.rpc.Status. */
const detailsTrailer = 'grpc-status-details-bin';
const detailTypeUrl = 'type.googleapis.com/loglog.v1.ErrorDetail';

/** The message travels twice in the trailers, for which HTTP/2 peers reserve as little as 8 KiB. */
const messageCharactersMax = 1024;

export interface GrpcStatusWithDetail {
  readonly code: number;
  readonly details: string;
  readonly metadata: Metadata;
}

/** What a server answers with. Nothing of an error that is not a LogLogError leaves the process. */
export function statusFromError(error: unknown): GrpcStatusWithDetail {
  const told = error instanceof LogLogError ? error : new LogLogError('INTERNAL', 'internal error');
  const shown = withMessage(told, wellFormed(told.message.slice(0, messageCharactersMax)));
  const code = grpcStatus[errorCodes[shown.code].status];
  const metadata = new Metadata();
  const details = [{ typeUrl: detailTypeUrl, value: errorDetail.encode(shown) }];
  metadata.set(detailsTrailer, rpcStatus.encode({ code, message: shown.message, details }));
  return { code, details: shown.message, metadata };
}

/**
 * What a client makes of a failed call: the server's own error where there is one, else what the
 * transport says, with the caller's word for what became of the request.
 */
export function errorFromGrpc(error: unknown, outcome: Outcome): LogLogError {
  if (error instanceof LogLogError) return error;
  if (!isServiceError(error)) {
    return new LogLogError('INTERNAL', String(error), { outcome, cause: error });
  }
  return detailOf(error.metadata) ?? transportError(error, outcome);
}

interface ServiceErrorLike {
  readonly code: number;
  readonly details: string;
  readonly metadata: Metadata;
}

function isServiceError(error: unknown): error is ServiceErrorLike {
  return (
    error instanceof Error &&
    'code' in error &&
    typeof error.code === 'number' &&
    'details' in error &&
    typeof error.details === 'string' &&
    'metadata' in error &&
    error.metadata instanceof Metadata
  );
}

/** Undefined if the status did not come from a LogLog server, or is not one that we can read. */
function detailOf(metadata: Metadata): LogLogError | undefined {
  const [trailer] = metadata.get(detailsTrailer);
  if (!Buffer.isBuffer(trailer)) return undefined;
  try {
    const detail = rpcStatus
      .decode(trailer)
      .details.find(({ typeUrl }) => typeUrl === detailTypeUrl);
    return detail && errorDetail.decode(detail.value);
  } catch {
    return undefined;
  }
}

/** Codes that gRPC itself, or something between client and server, answers with. */
const transportCodes = new Map<number, readonly [ErrorCode, string]>([
  [grpcStatus.UNAVAILABLE, ['UNAVAILABLE', 'the node cannot be reached']],
  [grpcStatus.CANCELLED, ['CANCELLED', 'the call was cancelled']],
  [grpcStatus.DEADLINE_EXCEEDED, ['DEADLINE', 'the deadline has passed']],
  [grpcStatus.RESOURCE_EXHAUSTED, ['RESOURCE_EXHAUSTED', 'a limit of the connection was passed']],
  [grpcStatus.INVALID_ARGUMENT, ['INVALID_ARGUMENT', 'the request was refused']],
  [grpcStatus.UNIMPLEMENTED, ['PROTOCOL_VERSION', 'the server does not know this call']],
]);

function transportError(error: ServiceErrorLike, outcome: Outcome): LogLogError {
  const [code, meaning] =
    transportCodes.get(error.code) ?? (['INTERNAL', 'the call failed'] as const);
  // @grpc/grpc-js has room for a note of its resolver there, which is mostly empty.
  const details = error.details.replace(/\.? Resolution note: $/, '');
  return new LogLogError(code, `${meaning}: ${details}`, { outcome, cause: error });
}

function withMessage(error: LogLogError, message: string): LogLogError {
  if (message === error.message) return error;
  const { code, outcome, leader, firstOffset, end, limit } = error;
  return new LogLogError(code, message, {
    outcome,
    ...(leader !== undefined && { leader }),
    ...(firstOffset !== undefined && { firstOffset }),
    ...(end !== undefined && { end }),
    ...(limit !== undefined && { limit }),
  });
}

/** grpc-js percent-encodes the message, which throws on half a surrogate pair. */
function wellFormed(text: string): string {
  return Buffer.from(text).toString();
}
