/** Protocol buffer messages as plain objects, from the .proto files themselves. */
import { fileURLToPath } from 'node:url';
import protobuf from 'protobufjs';
import { assert, LogLogError } from './errors.js';
import type { MessageParts } from './message-parts.js';

/** Turns values into bytes and back. `decode` throws INVALID_ARGUMENT for anything malformed. */
export interface Codec<Value> {
  readonly encode: (value: Value) => Buffer;
  /** The same bytes, of which the tail is the value's own and no copy. */
  readonly encodeInParts?: (value: Value) => MessageParts;
  /** Byte fields of the result are views of `bytes`. */
  readonly decode: (bytes: Buffer) => Value;
}

/** What `encode` takes: a field that is left out or undefined has the default of its type. */
export type Sparse<Shape> = { readonly [Name in keyof Shape]?: Shape[Name] | undefined };

/**
 * A message with the fields of its .proto file in camelCase: 64-bit integers are numbers, bytes
 * are Buffers, a missing submessage is null, a missing `optional` field is absent, and every
 * other missing field has its default.
 */
export interface WireMessage<Shape> {
  readonly encode: (fields: Sparse<Shape>) => Buffer;
  readonly decode: (bytes: Buffer) => Shape;
}

export interface WireMessageInParts<Shape> extends WireMessage<Shape> {
  readonly encodeInParts: (fields: Sparse<Shape>) => MessageParts;
}

/** The wire type of bytes: protobuf.dev/programming-guides/encoding. */
const lengthDelimited = 2;

export class Schema {
  readonly #root: protobuf.Root;
  readonly #package: string;

  /** Reads the .proto file at `url`, which declares `packageName`. */
  constructor(url: URL, packageName: string) {
    this.#root = protobuf.loadSync(fileURLToPath(url));
    this.#root.resolveAll();
    this.#package = packageName;
  }

  /** `Shape` has to be what the .proto file says; nothing can check it. */
  message<Shape extends object>(name: string): WireMessage<Shape> {
    const type = this.#root.lookupType(`${this.#package}.${name}`);
    const integers = integersOf(type, name);
    return {
      encode(fields) {
        checkIntegers(integers, fields);
        return finish(type.encode(fields));
      },
      decode(bytes) {
        const fields = decodeFields(type, bytes);
        checkIntegers(integers, fields);
        return fields as Shape;
      },
    };
  }

  /** The same for a message whose last field is bytes, which are its tail. */
  messageInParts<Shape extends object>(name: string): WireMessageInParts<Shape> {
    const type = this.#root.lookupType(`${this.#package}.${name}`);
    const integers = integersOf(type, name);
    const last = type.fieldsArray.at(-1);
    assert(last?.type === 'bytes', `${name} ends with bytes`);
    const tag = (last.id << 3) | lengthDelimited;
    return {
      ...this.message<Shape>(name),
      encodeInParts(fields) {
        checkIntegers(integers, fields);
        const { [last.name]: tail, ...others } = fields as Readonly<Record<string, unknown>>;
        assert(Buffer.isBuffer(tail), `${name}.${last.name} is set`);
        return [finish(type.encode(others).uint32(tag).uint32(tail.length)), tail];
      },
    };
  }
}

/** Shared: the writer's own buffer and not a copy. The writer is not used again. */
function finish(writer: protobuf.Writer): Buffer {
  const { buffer, byteOffset, byteLength } = writer.finish(true);
  return Buffer.from(buffer, byteOffset, byteLength);
}

export function malformed(reason: string, cause?: unknown): LogLogError {
  return new LogLogError('INVALID_ARGUMENT', reason, { cause });
}

/** A submessage that has to be there. */
export function required<Value>(value: Value | null, name: string): Value {
  if (value === null) throw malformed(`${name} is missing`);
  return value;
}

/** Hexadecimal digits to as many bytes as `name` always has. */
export function hexToBytes(hex: string, byteCount: number, name: string): Buffer {
  const bytes = Buffer.from(hex, 'hex');
  if (bytes.length !== byteCount || hex.length !== 2 * byteCount) {
    throw malformed(`${name} must be ${2 * byteCount} hexadecimal digits`);
  }
  return bytes;
}

export function bytesToHex(bytes: Buffer, byteCount: number, name: string): string {
  return checkLength(bytes, byteCount, name).toString('hex');
}

export function checkLength(bytes: Buffer, byteCount: number, name: string): Buffer {
  if (bytes.length !== byteCount) {
    throw malformed(`${name} must have ${byteCount} bytes, not ${bytes.length}`);
  }
  return bytes;
}

function decodeFields(type: protobuf.Type, bytes: Buffer): object {
  try {
    return type.toObject(type.decode(bytes), { longs: Number, defaults: true });
  } catch (cause) {
    throw malformed(`these bytes are not a ${type.name}`, cause);
  }
}

/** A field that holds integers up to `max`, or messages with such fields. */
type IntegerField =
  | { readonly field: string; readonly path: string; readonly max: number }
  | { readonly field: string; readonly inside: readonly IntegerField[] };

const integerMaxima = new Map([
  ['uint32', 2 ** 32 - 1],
  ['fixed32', 2 ** 32 - 1],
  ['uint64', Number.MAX_SAFE_INTEGER],
]);

function integersOf(type: protobuf.Type, typePath: string): IntegerField[] {
  return type.fieldsArray.flatMap((field): IntegerField[] => {
    const path = `${typePath}.${field.name}`;
    if (field.resolvedType instanceof protobuf.Type) {
      const inside = integersOf(field.resolvedType, path);
      return inside.length === 0 ? [] : [{ field: field.name, inside }];
    }
    const max = integerMaxima.get(field.type);
    return max === undefined ? [] : [{ field: field.name, path, max }];
  });
}

/** The encoder would wrap a number that is out of range, and the decoder round one, silently. */
function checkIntegers(integers: readonly IntegerField[], message: object): void {
  for (const integer of integers) {
    const value = (message as Readonly<Record<string, unknown>>)[integer.field];
    if (value === undefined || value === null) continue;
    for (const item of Array.isArray(value) ? value : [value]) {
      if ('inside' in integer) checkIntegers(integer.inside, item as object);
      else checkInteger(item, integer.max, integer.path);
    }
  }
}

function checkInteger(value: unknown, max: number, path: string): void {
  if (Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= max) return;
  throw malformed(`${path} must be an integer from 0 to ${max}, not ${String(value)}`);
}
