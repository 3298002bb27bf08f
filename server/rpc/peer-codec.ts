/** What nodes say to each other (peers.ts) as the bytes of peer.proto. */
import { headerBytes } from '../../proto/limits.js';
import { bytesToHex, checkLength, hexToBytes, malformed, Schema } from '../../proto/wire.js';
import type { Item, PeerAppend, PeerMessage } from '../peers.js';
import type { PeerState, Rejection } from '../raft/types.js';

export interface PeerHello extends PeerState {
  readonly protocolVersion: number;
  readonly clusterId: string;
  readonly nodeId: string;
  readonly clientAddress: string;
}

const chainBytes = 16;
/** Of AES-128-GMAC: its key, and its tag. */
const digestKeyBytes = 16;
const digestBytes = 16;

/** Field numbers of peer.proto, where this file frames messages around bodies itself: up to 15. */
const fieldNumbers = {
  message: { append: 4, bodies: 12, repairReply: 15 },
  append: { items: 6 },
  bodies: { items: 1 },
  repairReply: { items: 2 },
  item: { body: 3 },
} as const;

interface WireItem {
  readonly header: Buffer;
  readonly digest: Buffer;
  readonly body: Buffer;
}

interface WireAppend {
  readonly prevOffset: number;
  readonly prevTerm: number;
  readonly prevChain: Buffer;
  readonly commitOffset: number;
  readonly digestKey: Buffer;
  readonly items: readonly WireItem[];
}

interface WireRepairReply {
  readonly id: number;
  readonly lost: boolean;
  readonly items: readonly WireItem[];
}

type FieldsOf<Type extends PeerMessage['type']> = Omit<
  Extract<PeerMessage, { type: Type }>,
  'type' | 'term'
>;

/** One of the optional fields is there: the kind of the message. */
interface WirePeerMessage {
  readonly term: number;
  readonly voteRequest?: FieldsOf<'voteRequest'>;
  readonly voteReply?: FieldsOf<'voteReply'>;
  readonly append?: WireAppend;
  readonly appendReply?: { readonly matchOffset: number; readonly rejection: Rejection | null };
  readonly heartbeat?: FieldsOf<'heartbeat'>;
  readonly heartbeatReply?: FieldsOf<'heartbeatReply'>;
  readonly commit?: FieldsOf<'commit'>;
  readonly timeoutNow?: FieldsOf<'timeoutNow'>;
  readonly readIndexRequest?: FieldsOf<'readIndexRequest'>;
  readonly readIndexReply?: { readonly id: number; readonly ok: boolean; readonly offset: number };
  readonly bodyRequest?: FieldsOf<'bodyRequest'>;
  readonly bodies?: { readonly items: readonly WireItem[] };
  readonly hello?: PeerHello;
  readonly repairRequest?: FieldsOf<'repairRequest'>;
  readonly repairReply?: WireRepairReply;
  readonly welcome?: FieldsOf<'welcome'>;
  readonly forgotten?: FieldsOf<'forgotten'>;
}

const schema = new Schema(new URL('../../proto/peer.proto', import.meta.url), 'loglog.peer.v1');
const wireMessage = schema.message<WirePeerMessage>('PeerMessage');
const wireAppend = schema.message<WireAppend>('Append');
const wireRepairReply = schema.message<WireRepairReply>('RepairReply');
const wireItem = schema.message<WireItem>('Item');

export function encodePeerHello(hello: PeerHello): Buffer {
  return wireMessage.encode({ hello });
}

/** Throws INVALID_ARGUMENT if the bytes are anything but a hello. */
export function decodePeerHello(bytes: Buffer): PeerHello {
  const { hello } = wireMessage.decode(bytes);
  if (hello === undefined) throw malformed('the first message is not a hello');
  return { ...hello, durableOffset: hello.durableOffset ?? null };
}

/** Bodies are copied once, into the result. */
export function encodePeerMessage(message: PeerMessage): Buffer {
  const { term } = message;
  switch (message.type) {
    case 'append': {
      const parts = [appendHead(message), ...itemParts(fieldNumbers.append.items, message.items)];
      return encodeAround(term, fieldNumbers.message.append, parts);
    }
    case 'bodies': {
      const parts = itemParts(fieldNumbers.bodies.items, message.items);
      return encodeAround(term, fieldNumbers.message.bodies, parts);
    }
    case 'repairReply': {
      const { id, lost } = message;
      const head = wireRepairReply.encode(lost ? { id, lost } : { id });
      const parts = [head, ...itemParts(fieldNumbers.repairReply.items, message.items)];
      return encodeAround(term, fieldNumbers.message.repairReply, parts);
    }
    case 'appendReply': {
      const { matchOffset, rejection = null } = message;
      return wireMessage.encode({ term, appendReply: { matchOffset, rejection } });
    }
    case 'readIndexReply': {
      const { id, offset } = message;
      const readIndexReply = { id, ok: offset !== undefined, offset: offset ?? 0 };
      return wireMessage.encode({ term, readIndexReply });
    }
    case 'voteRequest':
      return wireMessage.encode({ term, voteRequest: message });
    case 'voteReply':
      return wireMessage.encode({ term, voteReply: message });
    case 'heartbeat':
      return wireMessage.encode({ term, heartbeat: message });
    case 'heartbeatReply':
      return wireMessage.encode({ term, heartbeatReply: message });
    case 'commit':
      return wireMessage.encode({ term, commit: message });
    case 'timeoutNow':
      return wireMessage.encode({ term, timeoutNow: {} });
    case 'readIndexRequest':
      return wireMessage.encode({ term, readIndexRequest: message });
    case 'bodyRequest':
      return wireMessage.encode({ term, bodyRequest: message });
    case 'repairRequest':
      return wireMessage.encode({ term, repairRequest: message });
    case 'welcome':
      return wireMessage.encode({ term, welcome: message });
    case 'forgotten':
      return wireMessage.encode({ term, forgotten: message });
  }
}

/** Headers, bodies and digests are views of `bytes`. Throws INVALID_ARGUMENT if malformed. */
export function decodePeerMessage(bytes: Buffer): PeerMessage {
  const { term, ...wire } = wireMessage.decode(bytes);
  if (wire.append !== undefined) return appendFromWire(term, wire.append);
  if (wire.appendReply !== undefined) {
    const { matchOffset, rejection } = wire.appendReply;
    return { type: 'appendReply', term, matchOffset, ...(rejection !== null && { rejection }) };
  }
  if (wire.readIndexReply !== undefined) {
    const { id, ok, offset } = wire.readIndexReply;
    return { type: 'readIndexReply', term, id, ...(ok && { offset }) };
  }
  if (wire.bodies !== undefined) {
    return { type: 'bodies', term, items: wire.bodies.items.map(itemFromWire) };
  }
  if (wire.heartbeat !== undefined) return { type: 'heartbeat', term, ...wire.heartbeat };
  if (wire.heartbeatReply !== undefined) {
    return { type: 'heartbeatReply', term, ...wire.heartbeatReply };
  }
  if (wire.commit !== undefined) return { type: 'commit', term, ...wire.commit };
  if (wire.voteRequest !== undefined) return { type: 'voteRequest', term, ...wire.voteRequest };
  if (wire.voteReply !== undefined) return { type: 'voteReply', term, ...wire.voteReply };
  if (wire.timeoutNow !== undefined) return { type: 'timeoutNow', term };
  if (wire.readIndexRequest !== undefined) {
    return { type: 'readIndexRequest', term, ...wire.readIndexRequest };
  }
  if (wire.bodyRequest !== undefined) return { type: 'bodyRequest', term, ...wire.bodyRequest };
  if (wire.repairRequest !== undefined) {
    return { type: 'repairRequest', term, ...wire.repairRequest };
  }
  if (wire.repairReply !== undefined) {
    const { id, items, lost } = wire.repairReply;
    return { type: 'repairReply', term, id, items: items.map(itemFromWire), lost };
  }
  if (wire.welcome !== undefined) return { type: 'welcome', term, ...wire.welcome };
  if (wire.forgotten !== undefined) return { type: 'forgotten', term, ...wire.forgotten };
  throw malformed('a message of no known kind');
}

function appendHead(append: PeerAppend): Buffer {
  const { prevOffset, prevTerm, prevChain, commitOffset, digestKey } = append;
  return wireAppend.encode({
    prevOffset,
    prevTerm,
    prevChain:
      prevChain === undefined ? undefined : hexToBytes(prevChain, chainBytes, 'the chain value'),
    commitOffset,
    digestKey: checkLength(digestKey, digestKeyBytes, 'the digest key'),
  });
}

function appendFromWire(term: number, wire: WireAppend): PeerAppend {
  const { prevChain, digestKey, items, ...rest } = wire;
  return {
    type: 'append',
    term,
    ...rest,
    ...(prevChain.length > 0 && {
      prevChain: bytesToHex(prevChain, chainBytes, 'the chain value'),
    }),
    digestKey: checkLength(digestKey, digestKeyBytes, 'the digest key'),
    items: items.map(itemFromWire),
  };
}

function itemFromWire({ header, digest, body }: WireItem): Item {
  checkLength(header, headerBytes, 'a batch header');
  if (digest.length === 0) return { type: 'inline', headerBytes: header, body };
  checkLength(digest, digestBytes, 'a digest');
  if (body.length > 0) throw malformed('a reference with a body');
  return { type: 'reference', headerBytes: header, digest };
}

/** The items as a repeated field: buffers to be joined, the bodies themselves among them. */
function itemParts(fieldNumber: number, items: readonly Item[]): Buffer[] {
  return items.flatMap((item) => {
    const header = checkLength(item.headerBytes, headerBytes, 'a batch header');
    if (item.type === 'reference') {
      const digest = checkLength(item.digest, digestBytes, 'a digest');
      return framed(fieldNumber, [wireItem.encode({ header, digest })]);
    }
    const body = framed(fieldNumbers.item.body, [item.body]);
    return framed(fieldNumber, [wireItem.encode({ header }), ...body]);
  });
}

function encodeAround(term: number, fieldNumber: number, parts: readonly Buffer[]): Buffer {
  return Buffer.concat([wireMessage.encode({ term }), ...framed(fieldNumber, parts)]);
}

/** `parts` as one length-delimited field, behind its tag and length. */
function framed(fieldNumber: number, parts: readonly Buffer[]): Buffer[] {
  const prefix = [(fieldNumber << 3) | 2];
  let length = 0;
  for (const part of parts) length += part.length;
  for (; length > 0x7f; length >>>= 7) prefix.push((length & 0x7f) | 0x80);
  prefix.push(length);
  return [Buffer.from(prefix), ...parts];
}
