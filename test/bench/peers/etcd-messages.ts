/** The few messages of etcd's API that are needed, as its rpc.proto and kv.proto number them. */
import protobuf from 'protobufjs';

const { Reader, Writer } = protobuf;
type ProtobufReader = protobuf.Reader;

const lengthDelimited = 2;

/** The tag of a field with bytes or a message in it. */
function tag(field: number): number {
  return (field << 3) | lengthDelimited;
}

export interface Put {
  readonly key: Buffer;
  readonly value: Buffer;
}

export function encodePut({ key, value }: Put): Buffer {
  const writer = Writer.create().uint32(tag(1)).bytes(key).uint32(tag(2)).bytes(value);
  return Buffer.from(writer.finish());
}

/** TxnRequest: without a condition, all of `success` (2), each a RequestOp with a put (2). */
export function encodePuts(puts: readonly Put[]): Buffer {
  const writer = Writer.create();
  for (const put of puts) {
    writer.uint32(tag(2)).fork().uint32(tag(2)).bytes(encodePut(put)).ldelim();
  }
  return Buffer.from(writer.finish());
}

export interface Range {
  readonly from: Buffer;
  /** Not included. */
  readonly to: Buffer;
  readonly limit: number;
}

/** RangeRequest: key (1), range_end (2), limit (3), serializable (7): of what the node has. */
export function encodeRange({ from, to, limit }: Range): Buffer {
  const writer = Writer.create().uint32(tag(1)).bytes(from).uint32(tag(2)).bytes(to);
  return Buffer.from(
    writer
      .uint32(3 << 3)
      .int64(limit)
      .uint32(7 << 3)
      .bool(true)
      .finish(),
  );
}

/** WatchRequest: create_request (1) with key (1) and range_end (2). */
export function encodeWatch({ from, to }: Omit<Range, 'limit'>): Buffer {
  const writer = Writer.create().uint32(tag(1)).fork();
  writer.uint32(tag(1)).bytes(from).uint32(tag(2)).bytes(to).ldelim();
  return Buffer.from(writer.finish());
}

/** RangeResponse: kvs (2). */
export function decodeRange(bytes: Buffer): Put[] {
  return fieldsOf(bytes, 2).map(decodeKeyValue);
}

export interface Watched {
  /** Whether it says that the watch has begun. */
  readonly isCreated: boolean;
  readonly puts: Put[];
}

/** WatchResponse: created (3), events (11), each with kv (2). */
export function decodeWatched(bytes: Buffer): Watched {
  const puts = fieldsOf(bytes, 11).flatMap((event) => fieldsOf(event, 2).map(decodeKeyValue));
  return { isCreated: numbersOf(bytes, 3).length > 0, puts };
}

/** StatusResponse: header (1) with member_id (2), and leader (4), the id of a member. */
export function isStatusOfLeader(bytes: Buffer): boolean {
  const [header] = fieldsOf(bytes, 1);
  const [member] = header === undefined ? [] : numbersOf(header, 2);
  const [leader] = numbersOf(bytes, 4);
  return leader !== undefined && leader === member;
}

/** KeyValue: key (1), value (5). */
function decodeKeyValue(bytes: Buffer): Put {
  const [key] = fieldsOf(bytes, 1);
  if (key === undefined) throw new Error('etcd has sent a value without a key');
  return { key, value: fieldsOf(bytes, 5)[0] ?? Buffer.alloc(0) };
}

/** Views of what a field with bytes or messages holds, each time that it occurs. */
function fieldsOf(bytes: Buffer, field: number): Buffer[] {
  return scan(bytes, tag(field), (reader) => Buffer.from(reader.bytes()));
}

/** Numbers as they are encoded, to be compared: ids have 64 bits. */
function numbersOf(bytes: Buffer, field: number): string[] {
  return scan(bytes, field << 3, (reader) => {
    const from = reader.pos;
    return bytes.toString('hex', from, reader.skip().pos);
  });
}

function scan<T>(bytes: Buffer, wanted: number, take: (reader: ProtobufReader) => T): T[] {
  const reader = Reader.create(bytes);
  const found: T[] = [];
  while (reader.pos < reader.len) {
    const next = reader.uint32();
    if (next === wanted) found.push(take(reader));
    else reader.skipType(next & 7);
  }
  return found;
}
