import { deepStrictEqual } from 'node:assert/strict';
import * as fc from 'fast-check';
import { fileURLToPath } from 'node:url';
import protobuf from 'protobufjs';
import t from 'tap';
import { LogLogError } from '../../proto/errors.js';
import type { Item, PeerMessage } from '../../server/peers.js';
import type { PeerHello } from '../../server/rpc/peer-codec.js';
import {
  decodePeerHello,
  decodePeerMessage,
  encodePeerHello,
  encodePeerMessage,
} from '../../server/rpc/peer-codec.js';

const integer = fc.maxSafeNat();
const text = fc.string({ unit: 'grapheme' });
const bytes = (constraints: fc.IntArrayConstraints) =>
  fc.uint8Array(constraints).map((array) => Buffer.from(array));
const exactly = (length: number) => bytes({ minLength: length, maxLength: length });
/** Ordinary objects, some without the optional fields. */
const record = <Fields extends object, Key extends keyof Fields = keyof Fields>(
  fields: { [Name in keyof Fields]: fc.Arbitrary<Fields[Name]> },
  requiredKeys = Object.keys(fields) as Key[],
) => fc.record<Fields, Key>(fields, { requiredKeys, noNullPrototype: true });
const termStart = record({ term: integer, startOffset: integer });

const item: fc.Arbitrary<Item> = fc.oneof(
  record({
    type: fc.constant('reference' as const),
    headerBytes: exactly(96),
    digest: exactly(16),
  }),
  record({
    type: fc.constant('inline' as const),
    headerBytes: exactly(96),
    body: bytes({ maxLength: 400 }),
  }),
);
const items = fc.array(item, { maxLength: 8 });

/** Every kind of message, by its name; `requiredKeys` keeps the optional fields optional. */
const kinds: { [Type in PeerMessage['type']]: fc.Arbitrary<object> } = {
  voteRequest: record({
    preVote: fc.boolean(),
    lastTerm: integer,
    endOffset: integer,
    transfer: fc.boolean(),
  }),
  voteReply: record({ preVote: fc.boolean(), granted: fc.boolean() }),
  append: record(
    {
      prevOffset: integer,
      prevTerm: integer,
      prevChain: exactly(16).map((chain) => chain.toString('hex')),
      commitOffset: integer,
      digestKey: exactly(16),
      items,
    },
    ['prevOffset', 'prevTerm', 'commitOffset', 'digestKey', 'items'],
  ),
  appendReply: record(
    {
      matchOffset: integer,
      rejection: record({
        prevOffset: integer,
        endOffset: integer,
        terms: fc.array(termStart),
      }),
    },
    ['matchOffset'],
  ),
  heartbeat: record({ commitOffset: integer, round: integer }),
  heartbeatReply: record({ round: integer }),
  commit: record({ commitOffset: integer }),
  timeoutNow: fc.constant({}),
  readIndexRequest: record({ id: integer }),
  readIndexReply: record({ id: integer, offset: integer }, ['id']),
  bodyRequest: record({ offsets: fc.array(integer) }),
  bodies: record({ items }),
  repairRequest: record({ id: integer, offset: integer, bytesMax: integer }),
  repairReply: record({ id: integer, items, lost: fc.boolean() }),
  welcome: record({ incarnation: integer }),
  forgotten: record({ incarnation: integer }),
};
const message = fc.oneof(
  ...Object.entries(kinds).map(([type, fields]) =>
    fc.tuple(integer, fields).map(([term, rest]) => ({ ...rest, type, term }) as PeerMessage),
  ),
);

/** Decoding either works or throws INVALID_ARGUMENT. */
function isHandled(decode: (bytes: Buffer) => unknown, input: Buffer): boolean {
  try {
    decode(input);
    return true;
  } catch (error) {
    return error instanceof LogLogError && error.code === 'INVALID_ARGUMENT';
  }
}

t.test('every message is what it was after the wire', async () => {
  fc.assert(
    fc.property(message, (sent) =>
      deepStrictEqual(decodePeerMessage(encodePeerMessage(sent)), sent),
    ),
    { numRuns: 1000 },
  );
});

t.test('what is framed by hand is what protobufjs makes of peer.proto', async (t) => {
  const file = fileURLToPath(new URL('../../proto/peer.proto', import.meta.url));
  const type = protobuf.loadSync(file).lookupType('loglog.peer.v1.PeerMessage');
  const headerBytes = Buffer.alloc(96, 1);
  const digest = Buffer.alloc(16, 2);
  const body = Buffer.alloc(20_000, 3);
  const digestKey = Buffer.alloc(16, 4);
  const sent: readonly Item[] = [
    { type: 'reference', headerBytes, digest },
    { type: 'inline', headerBytes, body },
  ];
  const wireItems = [
    { header: headerBytes, digest },
    { header: headerBytes, body },
  ];
  const head = { prevOffset: 2 ** 53 - 1, prevTerm: 2, commitOffset: 3, digestKey };
  const append = encodePeerMessage({ type: 'append', term: 9, ...head, items: sent });
  const expected = type.encode({ term: 9, append: { ...head, items: wireItems } }).finish();
  t.ok(append.equals(expected));
  const bodies = encodePeerMessage({ type: 'bodies', term: 9, items: sent });
  t.ok(bodies.equals(type.encode({ term: 9, bodies: { items: wireItems } }).finish()));
  const id = 2 ** 53 - 1;
  const repair = encodePeerMessage({ type: 'repairReply', term: 9, id, items: sent, lost: false });
  t.ok(repair.equals(type.encode({ term: 9, repairReply: { id, items: wireItems } }).finish()));
});

t.test('a body comes out as a view of what was received', async (t) => {
  const headerBytes = Buffer.alloc(96);
  const body = Buffer.from('the body');
  const sent: PeerMessage = {
    type: 'bodies',
    term: 1,
    items: [{ type: 'inline', headerBytes, body }],
  };
  const received = encodePeerMessage(sent);
  const decoded = decodePeerMessage(received);
  const [first] = decoded.type === 'bodies' ? decoded.items : [];
  received.fill('x', received.length - body.length);
  t.equal(first?.type === 'inline' && first.body.toString(), 'xxxxxxxx');
});

t.test('a hello is what it was after the wire, and no other message is one', async (t) => {
  const hello: fc.Arbitrary<PeerHello> = record({
    protocolVersion: fc.nat(2 ** 32 - 1),
    clusterId: text,
    nodeId: text,
    clientAddress: text,
    incarnation: integer,
    process: integer,
    startTerm: integer,
    term: integer,
    durableOffset: fc.option(integer),
  });
  fc.assert(
    fc.property(hello, (sent) => deepStrictEqual(decodePeerHello(encodePeerHello(sent)), sent)),
  );
  const other = encodePeerMessage({ type: 'timeoutNow', term: 1 });
  t.throws(() => decodePeerHello(other), { code: 'INVALID_ARGUMENT' });
});

t.test('malformed bytes are an INVALID_ARGUMENT and never a crash', async (t) => {
  fc.assert(
    fc.property(bytes({ maxLength: 300 }), (input) => isHandled(decodePeerMessage, input)),
    { numRuns: 5000 },
  );
  const damaged = record({
    message,
    cut: fc.nat(),
    at: fc.nat(),
    flip: fc.integer({ min: 1, max: 255 }),
  });
  fc.assert(
    fc.property(damaged, ({ message: sent, cut, at, flip }) => {
      const input = encodePeerMessage(sent);
      const short = input.subarray(0, cut % (input.length + 1));
      const position = at % Math.max(input.length, 1);
      if (input.length > 0) input.writeUInt8(input.readUInt8(position) ^ flip, position);
      return isHandled(decodePeerMessage, input) && isHandled(decodePeerMessage, short);
    }),
    { numRuns: 3000 },
  );
  t.throws(() => decodePeerMessage(Buffer.alloc(0)), { code: 'INVALID_ARGUMENT' });
  t.throws(() => decodePeerMessage(encodePeerHello(someHello)), { code: 'INVALID_ARGUMENT' });
});

const someHello: PeerHello = {
  protocolVersion: 1,
  clusterId: 'c',
  nodeId: 'n',
  clientAddress: '',
  incarnation: 0,
  process: 0,
  startTerm: 0,
  term: 0,
  durableOffset: 0,
};

t.test('headers, digests, keys and chains of another length are refused', async (t) => {
  const head = { prevOffset: 0, prevTerm: 0, commitOffset: 0, digestKey: Buffer.alloc(16) };
  const append = (fields: object) => () =>
    encodePeerMessage({ type: 'append', term: 1, ...head, items: [], ...fields });
  const shortHeader = { type: 'inline', headerBytes: Buffer.alloc(95), body: Buffer.alloc(1) };
  const shortDigest = {
    type: 'reference',
    headerBytes: Buffer.alloc(96),
    digest: Buffer.alloc(15),
  };
  t.throws(append({ items: [shortHeader] }), { message: /header must have 96 bytes, not 95/ });
  t.throws(append({ items: [shortDigest] }), { message: /digest must have 16 bytes, not 15/ });
  t.throws(append({ digestKey: Buffer.alloc(0) }), { message: /digest key must have 16 bytes/ });
  t.throws(append({ prevChain: 'zz' }), { message: /chain value/ });
  t.throws(append({ prevOffset: 2 ** 53 }), { message: /prevOffset must be an integer/ });
});
