/**
 * The one error class. Whether a retry can help and whether the outcome is known are properties
 * of the error, so nobody has to guess from a message. Codes: docs/PROTOCOL.md.
 */

/** Standard gRPC status codes (grpc/grpc, doc/statuscodes.md). */
export const grpcStatus = {
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
} as const;
export type GrpcStatus = keyof typeof grpcStatus;

/**
 * What became of what was asked for. `none`: nothing happened and nothing will. `unknown`: it may
 * have happened or may still happen. `committed`: it happened; the error is about something else.
 */
export type Outcome = 'none' | 'unknown' | 'committed';

/** How a command ends (cli/exit.ts gives the numbers). */
export type ExitKind =
  'failed' | 'usage' | 'unavailable' | 'deadline' | 'unknown' | 'conflict' | 'denied' | 'trimmed';

interface CodeFacts {
  readonly status: GrpcStatus;
  readonly retryable: boolean;
  readonly exit: ExitKind;
}

const facts = (status: GrpcStatus, retryable: boolean, exit: ExitKind): CodeFacts => ({
  status,
  retryable,
  exit,
});

export const errorCodes = {
  // The caller's mistake: the same call fails again.
  INVALID_ARGUMENT: facts('INVALID_ARGUMENT', false, 'usage'),
  EMPTY_APPEND: facts('INVALID_ARGUMENT', false, 'failed'),
  ENTRY_TOO_LARGE: facts('INVALID_ARGUMENT', false, 'failed'),
  BATCH_TOO_LARGE: facts('INVALID_ARGUMENT', false, 'failed'),
  BAD_FRAMING: facts('INVALID_ARGUMENT', false, 'failed'),
  BAD_CHECKSUM: facts('INVALID_ARGUMENT', true, 'failed'),
  OFFSET_INVALID: facts('INVALID_ARGUMENT', false, 'usage'),
  OFFSET_BEYOND_END: facts('OUT_OF_RANGE', true, 'failed'),
  OFFSET_TRIMMED: facts('OUT_OF_RANGE', false, 'trimmed'),
  LIMIT_INVALID: facts('INVALID_ARGUMENT', false, 'usage'),
  UNKNOWN_NODE: facts('NOT_FOUND', false, 'usage'),
  // The log's state says no.
  CONDITION_FAILED: facts('FAILED_PRECONDITION', false, 'conflict'),
  CONDITION_AHEAD: facts('FAILED_PRECONDITION', true, 'conflict'),
  TOKEN_MISMATCH: facts('FAILED_PRECONDITION', false, 'denied'),
  EPOCH_FENCED: facts('FAILED_PRECONDITION', false, 'denied'),
  PRODUCER_EXPIRED: facts('FAILED_PRECONDITION', false, 'conflict'),
  SEQUENCE_GAP: facts('FAILED_PRECONDITION', false, 'conflict'),
  SEQUENCE_REUSED: facts('FAILED_PRECONDITION', false, 'conflict'),
  // The cluster cannot do it now.
  NOT_LEADER: facts('UNAVAILABLE', true, 'unavailable'),
  NO_LEADER: facts('UNAVAILABLE', true, 'unavailable'),
  UNAVAILABLE: facts('UNAVAILABLE', true, 'unavailable'),
  RESOURCE_EXHAUSTED: facts('RESOURCE_EXHAUSTED', true, 'unavailable'),
  TRANSFER_FAILED: facts('ABORTED', true, 'failed'),
  SHUTTING_DOWN: facts('UNAVAILABLE', true, 'unavailable'),
  // The wrong party.
  WRONG_CLUSTER: facts('FAILED_PRECONDITION', false, 'denied'),
  WRONG_NODE: facts('FAILED_PRECONDITION', false, 'denied'),
  PROTOCOL_VERSION: facts('FAILED_PRECONDITION', false, 'failed'),
  NOT_GRPC: facts('INVALID_ARGUMENT', false, 'failed'),
  // The client's own end of it.
  DEADLINE: facts('DEADLINE_EXCEEDED', true, 'deadline'),
  CANCELLED: facts('CANCELLED', true, 'failed'),
  CLOSED: facts('CANCELLED', false, 'failed'),
  // The node's directory and sockets.
  DATA_CORRUPT: facts('DATA_LOSS', false, 'failed'),
  DISK_FAILED: facts('INTERNAL', false, 'failed'),
  DIRECTORY_IN_USE: facts('FAILED_PRECONDITION', true, 'failed'),
  DIRECTORY_NOT_EMPTY: facts('FAILED_PRECONDITION', false, 'failed'),
  DIRECTORY_EMPTY: facts('FAILED_PRECONDITION', false, 'failed'),
  FORMAT_UNKNOWN: facts('FAILED_PRECONDITION', false, 'failed'),
  CONFIG_INVALID: facts('INVALID_ARGUMENT', false, 'usage'),
  ADDRESS_IN_USE: facts('FAILED_PRECONDITION', true, 'failed'),
  INTERNAL: facts('INTERNAL', false, 'failed'),
} as const satisfies Record<string, CodeFacts>;
export type ErrorCode = keyof typeof errorCodes;

export interface LeaderHint {
  readonly id: string;
  /** Where it serves clients, if that is known. */
  readonly address?: string;
}

/** What an error can carry beyond its code and message, as it applies. */
export interface ErrorExtras {
  readonly outcome?: Outcome;
  readonly leader?: LeaderHint;
  /** The first offset that is still kept. */
  readonly firstOffset?: number;
  /** The actual end that a condition or offset was compared with. */
  readonly end?: number;
  /** The limit that was passed. */
  readonly limit?: number;
  readonly cause?: unknown;
}

export class LogLogError extends Error {
  override readonly name = 'LogLogError';
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly outcome: Outcome;
  declare readonly leader?: LeaderHint;
  declare readonly firstOffset?: number;
  declare readonly end?: number;
  declare readonly limit?: number;

  constructor(code: ErrorCode, message: string, extras: ErrorExtras = {}) {
    super(message, extras.cause === undefined ? undefined : { cause: extras.cause });
    this.code = code;
    this.retryable = errorCodes[code].retryable;
    this.outcome = extras.outcome ?? 'none';
    if (extras.leader !== undefined) this.leader = extras.leader;
    if (extras.firstOffset !== undefined) this.firstOffset = extras.firstOffset;
    if (extras.end !== undefined) this.end = extras.end;
    if (extras.limit !== undefined) this.limit = extras.limit;
  }
}

/** The same error, told with what is known of the outcome here. */
export function withOutcome(error: LogLogError, outcome: Outcome): LogLogError {
  if (error.outcome === outcome) return error;
  const { code, message, leader, firstOffset, end, limit } = error;
  return new LogLogError(code, message, {
    outcome,
    cause: error.cause,
    ...(leader !== undefined && { leader }),
    ...(firstOffset !== undefined && { firstOffset }),
    ...(end !== undefined && { end }),
    ...(limit !== undefined && { limit }),
  });
}

/** A failure of our own reasoning: stop rather than go on with a state nobody understands. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new LogLogError('INTERNAL', `assertion failed: ${message}`);
}
