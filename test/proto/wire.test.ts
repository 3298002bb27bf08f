import { deepStrictEqual } from 'node:assert/strict';
import { Metadata } from '@grpc/grpc-js';
import * as fc from 'fast-check';
import t from 'tap';
import { errorFromGrpc, statusFromError } from '../../proto/error-detail.js';
import type { ErrorCode, ErrorExtras, Outcome } from '../../proto/errors.js';
import { errorCodes, grpcStatus, LogLogError } from '../../proto/errors.js';
import { loglogMethods } from '../../proto/grpc.js';
import * as messages from '../../proto/messages.js';
import type { NodeStatus, StagedCounters, UploadFrame } from '../../proto/service.js';
import type { Codec } from '../../proto/wire.js';

const integer = fc.maxSafeNat();
const uint32 = fc.nat(2 ** 32 - 1);
const text = fc.string({ unit: 'grapheme', maxLength: 200 });
const name = fc.string({ unit: 'grapheme', minLength: 1 });
const bytes = (constraints: fc.IntArrayConstraints) =>
  fc.uint8Array(constraints).map((array) => Buffer.from(array));
const hex = (byteCount: number) =>
  bytes({ minLength: byteCount, maxLength: byteCount }).map((buffer) => buffer.toString('hex'));

/** Ordinary objects; `optional` fields are there or not. */
const record = <Needed extends object, Optional extends object = object>(
  needed: { [Name in keyof Needed]: fc.Arbitrary<Needed[Name]> },
  optional?: { [Name in keyof Optional]: fc.Arbitrary<Optional[Name]> },
): fc.Arbitrary<Needed & Partial<Optional>> =>
  fc.record({ ...needed, ...optional } as { [name: string]: fc.Arbitrary<unknown> }, {
    requiredKeys: Object.keys(needed),
    noNullPrototype: true,
  }) as fc.Arbitrary<Needed & Partial<Optional>>;

const clusterId = { clusterId: name };
const hint = record({ id: name }, { address: name });
const leaderChange = record({ term: integer }, { leader: hint });
const error = fc
  .tuple(
    fc.constantFrom(...(Object.keys(errorCodes) as ErrorCode[])),
    text,
    record<ErrorExtras, ErrorExtras>(
      { outcome: fc.constantFrom<Outcome>('none', 'unknown', 'committed') },
      { leader: hint, firstOffset: integer, end: integer, limit: integer },
    ),
  )
  .map(([code, message, extras]) => new LogLogError(code, message, extras));

const frame: fc.Arbitrary<UploadFrame> = record(
  {
    kind: fc.constantFrom<UploadFrame['kind']>('data', 'open', 'fence'),
    epoch: integer,
    sequence: integer,
    entryCount: uint32,
    bodyChecksum: uint32,
    body: bytes({ maxLength: 500 }),
  },
  {
    append: record(
      { follows: integer, uploadedTo: uint32 },
      { expect: integer, token: bytes({ maxLength: 64 }) },
    ),
  },
);
const hello = record({ protocolVersion: uint32, producer: hex(8) }, clusterId);

const counterNames = [
  ...['stagedBatches', 'stagedBytes', 'matchedBatches', 'matchedBytes', 'inlinedBatches'],
  ...['inlinedBytes', 'missing', 'missingBytes', 'mismatched', 'mismatchedBytes', 'expired'],
  ...['expiredBytes', 'heldBatches', 'heldBytes'],
];
const staged = record(
  Object.fromEntries(counterNames.map((counter) => [counter, integer])),
) as fc.Arbitrary<object> as fc.Arbitrary<StagedCounters>;

const nodeStatus: fc.Arbitrary<NodeStatus> = record({
  protocolVersion: uint32,
  version: text,
  clusterId: text,
  nodeId: text,
  processId: uint32,
  role: fc.constantFrom('follower', 'candidate', 'leader'),
  term: integer,
  leader: leaderChange,
  firstOffset: integer,
  durableOffset: integer,
  commitOffset: integer,
  endOffset: integer,
  chain: hex(16),
  dataEnd: integer,
  residentBytes: integer,
  cpuMicros: integer,
  peerBytesSent: integer,
  nodes: fc.array(hint),
  staged,
  incarnation: integer,
  admitted: fc.boolean(),
  repairs: record({ ranges: integer, bytes: integer }),
});

const acknowledgement = record({
  epoch: integer,
  sequence: integer,
  offset: integer,
  end: integer,
});
const uploadReply = fc.oneof(
  record({
    type: fc.constant('welcome' as const),
    protocolVersion: uint32,
    clusterId: text,
    nodeId: text,
    leader: leaderChange,
  }),
  record({
    type: fc.constant('acknowledged' as const),
    acknowledgements: fc.array(acknowledgement, { minLength: 1 }),
  }),
  record({ type: fc.constant('refused' as const), epoch: integer, sequence: integer, error }),
  record({ type: fc.constant('leader' as const), change: leaderChange }),
  record({
    type: fc.constant('missing' as const),
    sequences: fc.array(integer, { minLength: 1 }),
  }),
);

/** A codec with values that it has to carry. */
interface Carried {
  readonly codec: {
    readonly encode: (value: never) => Buffer;
    readonly decode: (bytes: Buffer) => unknown;
  };
  readonly values: fc.Arbitrary<unknown>;
}
const carried = <Value>(codec: Codec<Value>, values: fc.Arbitrary<Value>): Carried => ({
  codec,
  values,
});

const range = { offset: integer, limit: uint32 };
const all: Record<string, Carried> = {
  appendRequest: carried(
    messages.appendRequest,
    record(
      { entries: fc.array(bytes({ maxLength: 100 })) },
      { expect: integer, token: bytes({ maxLength: 64 }), ...clusterId },
    ),
  ),
  appendReply: carried(
    messages.appendReply,
    record({ offset: integer, end: integer, entryOffsets: fc.array(integer) }),
  ),
  uploadFrame: carried(
    messages.uploadRequest,
    frame.map((sent) => ({ type: 'frame' as const, frame: sent })),
  ),
  uploadHello: carried(
    messages.uploadRequest,
    hello.map((sent) => ({ type: 'hello' as const, hello: sent })),
  ),
  uploadReply: carried(messages.uploadReply, uploadReply),
  readRequest: carried(messages.readRequest, record({ ...range, waitMs: uint32 }, clusterId)),
  page: carried(
    messages.page,
    record({
      offset: integer,
      next: integer,
      commitOffset: integer,
      batches: bytes({ maxLength: 500 }),
    }),
  ),
  tailStart: carried(
    messages.tailMessage,
    record(
      { type: fc.constant('start' as const), request: record(range, clusterId) },
      { pages: fc.integer({ min: 1, max: 2 ** 32 - 1 }) },
    ),
  ),
  tailCredits: carried(
    messages.tailMessage,
    record({ type: fc.constant('credits' as const), pages: uint32 }),
  ),
  endRequest: carried(messages.endRequest, record({ linearizable: fc.boolean() }, clusterId)),
  endReply: carried(messages.endReply, record({ end: integer, dataEnd: integer })),
  statusRequest: carried(messages.statusRequest, record({}, clusterId)),
  statusReply: carried(messages.statusReply, nodeStatus),
  transferRequest: carried(messages.transferRequest, record({}, { to: name, ...clusterId })),
  transferReply: carried(messages.transferReply, record({ leader: text, term: integer })),
  errorDetail: carried(messages.errorDetail, error),
};

for (const [title, { codec, values }] of Object.entries(all)) {
  t.test(`${title} is what it was after the wire`, async () => {
    fc.assert(
      fc.property(values, (value) => {
        deepStrictEqual(plain(codec.decode(codec.encode(value as never))), plain(value));
      }),
    );
  });

  t.test(`malformed bytes of ${title} are an INVALID_ARGUMENT and never a crash`, async (t) => {
    const isHandled = (input: Buffer) => {
      try {
        codec.decode(input);
        return true;
      } catch (caught) {
        return caught instanceof LogLogError && caught.code === 'INVALID_ARGUMENT';
      }
    };
    const spoil = { value: values, at: fc.nat(), flip: fc.integer({ min: 1, max: 255 }) };
    fc.assert(fc.property(bytes({ maxLength: 200 }), isHandled), { numRuns: 500 });
    fc.assert(
      fc.property(fc.record(spoil), ({ value, at, flip }) => {
        const input = codec.encode(value as never);
        if (input.length === 0) return true;
        const position = at % input.length;
        const handled = isHandled(input.subarray(0, position));
        input.writeUInt8(input.readUInt8(position) ^ flip, position);
        return handled && isHandled(input);
      }),
    );
    t.throws(() => codec.decode(Buffer.from([0x0a, 0xff])), { code: 'INVALID_ARGUMENT' });
  });
}

/** Errors are compared by what they say: their stacks differ. */
function plain(value: unknown): unknown {
  if (Buffer.isBuffer(value) || typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(plain);
  const message = value instanceof Error ? { message: value.message } : {};
  const fields = Object.entries(value).filter(([, field]) => field !== undefined);
  return { ...message, ...Object.fromEntries(fields.map(([key, field]) => [key, plain(field)])) };
}

t.test('a body is the last field, and comes out as a view', async (t) => {
  const body = Buffer.from('the body');
  const sent: UploadFrame = {
    kind: 'data',
    epoch: 1,
    sequence: 2,
    entryCount: 3,
    bodyChecksum: 4,
    append: { follows: 1, uploadedTo: 7 },
    body,
  };
  const upload = messages.uploadRequest.encode({ type: 'frame', frame: sent });
  const head = { offset: 1, next: 2, commitOffset: 3 };
  const page = messages.page.encode({ ...head, batches: body });
  for (const encoded of [upload, page]) {
    t.strictSame(encoded.subarray(encoded.length - body.length), body);
    encoded.fill('x', encoded.length - body.length);
  }
  const frameAgain = messages.uploadRequest.decode(upload);
  t.equal(frameAgain.type === 'frame' && frameAgain.frame.body.toString(), 'xxxxxxxx');
  t.equal(messages.page.decode(page).batches.toString(), 'xxxxxxxx');
});

t.test('an upload and a page copy what they end with into the frame, and not before', async (t) => {
  const tail = Buffer.from('the bytes');
  const page = { offset: 1, next: 2, commitOffset: 3, batches: tail };
  const upload: UploadFrame = {
    kind: 'data',
    epoch: 1,
    sequence: 2,
    entryCount: 3,
    bodyChecksum: 4,
    body: tail,
  };
  const request = { type: 'frame' as const, frame: upload };
  const { tail: tailMethod, upload: uploadMethod } = loglogMethods;
  t.equal(messages.page.encodeInParts?.(page)[1], tail);
  t.equal(messages.uploadRequest.encodeInParts?.(request)[1], tail);
  for (const [serialized, encoded] of [
    [tailMethod.responseSerialize(page), messages.page.encode(page)],
    [uploadMethod.requestSerialize(request), messages.uploadRequest.encode(request)],
  ] as const) {
    const framed = Buffer.alloc(5 + serialized.length);
    t.equal(serialized.copy(framed, 5), encoded.length);
    t.strictSame(framed.subarray(5), encoded);
    t.equal(serialized.byteLength, encoded.length);
  }
});

t.test('a number that does not fit is refused by name instead of being changed', async (t) => {
  const request = { offset: 0, limit: 1, waitMs: 0 };
  for (const bad of [-1, 0.5, NaN, Infinity, 2 ** 32]) {
    t.throws(() => messages.readRequest.encode({ ...request, limit: bad }), {
      code: 'INVALID_ARGUMENT',
      message: /^ReadRequest\.limit must be an integer from 0 to 4294967295/,
    });
  }
  t.throws(() => messages.readRequest.encode({ ...request, offset: 2 ** 53 }), {
    message: /^ReadRequest\.offset must be an integer from 0 to 9007199254740991/,
  });
  t.throws(() => messages.appendReply.encode({ offset: 0, end: 0, entryOffsets: [1, -1] }), {
    message: /^AppendReply\.entryOffsets/,
  });
  t.throws(() => messages.readRequest.decode(Buffer.from('0880808080808080' + '10', 'hex')), {
    message: /^ReadRequest\.offset/,
  });
  const producer = 'not hexadecimal';
  t.throws(
    () => messages.uploadRequest.encode({ type: 'hello', hello: { protocolVersion: 1, producer } }),
    { code: 'INVALID_ARGUMENT', message: /producer id must be 16 hexadecimal digits/ },
  );
});

/** What grpc-js hands to a caller whose call failed. */
function serviceError(status: { code: number; details: string; metadata: Metadata }): Error {
  return Object.assign(new Error(status.details), status);
}

t.test('an error crosses gRPC with all that it carries', async () => {
  fc.assert(
    fc.property(error, (sent) => {
      const status = statusFromError(sent);
      deepStrictEqual(status.code, grpcStatus[errorCodes[sent.code].status]);
      deepStrictEqual(plain(errorFromGrpc(serviceError(status), 'committed')), plain(sent));
    }),
  );
});

t.test('an error message of any length and content fits into a status', async (t) => {
  const status = statusFromError(new LogLogError('BAD_FRAMING', '\ud800' + '€'.repeat(100_000)));
  t.doesNotThrow(() => encodeURI(status.details), 'grpc-js does that');
  t.ok(status.details.length <= 1024);
});

t.test('a code of a later version is still an error that says what it was', async (t) => {
  const status = statusFromError(new LogLogError('CONDITION_FAILED', 'no'));
  const [trailer] = status.metadata.get('grpc-status-details-bin') as Buffer[];
  const renamed = Buffer.from(
    (trailer as Buffer).toString('latin1').replace('CONDITION_FAILED', 'SOMETHING_LATER_'),
    'latin1',
  );
  status.metadata.set('grpc-status-details-bin', renamed);
  t.match(errorFromGrpc(serviceError(status), 'none'), {
    code: 'INTERNAL',
    message: 'SOMETHING_LATER_: no',
  });
});

t.test('without a detail, or with one that is damaged, the status is what is told', async (t) => {
  const expected: readonly (readonly [number, ErrorCode])[] = [
    [grpcStatus.UNAVAILABLE, 'UNAVAILABLE'],
    [grpcStatus.CANCELLED, 'CANCELLED'],
    [grpcStatus.DEADLINE_EXCEEDED, 'DEADLINE'],
    [grpcStatus.RESOURCE_EXHAUSTED, 'RESOURCE_EXHAUSTED'],
    [grpcStatus.UNIMPLEMENTED, 'PROTOCOL_VERSION'],
    [grpcStatus.UNKNOWN, 'INTERNAL'],
  ];
  const damaged = new Metadata();
  damaged.set('grpc-status-details-bin', Buffer.from([0xff]));
  for (const metadata of [new Metadata(), damaged]) {
    for (const [code, expectedCode] of expected) {
      const failure = serviceError({ code, details: 'connect ECONNREFUSED', metadata });
      const told = errorFromGrpc(failure, 'unknown');
      t.match(told, { code: expectedCode, outcome: 'unknown', message: /connect ECONNREFUSED/ });
      t.equal(told.cause, failure);
    }
  }
  t.match(errorFromGrpc(new TypeError('odd'), 'none'), { code: 'INTERNAL', message: /odd/ });
  const failure = serviceError({
    code: grpcStatus.UNAVAILABLE,
    details: 'Last error: refused. Resolution note: ',
    metadata: new Metadata(),
  });
  t.match(errorFromGrpc(failure, 'none').message, /Last error: refused$/, 'without an empty note');
});
