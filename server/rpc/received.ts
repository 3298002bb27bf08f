/** What came from a client: a message, or bytes that are none. */
import type { GrpcStatusWithDetail } from '../../proto/error-detail.js';

export type Received<Value> =
  { readonly ok: true; readonly value: Value } | { readonly ok: false; readonly error: unknown };

/** Turns an error into what the client is told of it. */
export type StatusOf = (error: unknown) => GrpcStatusWithDetail;

/**
 * A deserializer that returns what it could not read, for the handler to say what is wrong with
 * it: grpc-js answers INTERNAL when one throws.
 */
export function receiving<Value>(
  deserialize: (bytes: Buffer) => Value,
): (bytes: Buffer) => Received<Value> {
  return (bytes) => {
    try {
      return { ok: true, value: deserialize(bytes) };
    } catch (error) {
      return { ok: false, error };
    }
  };
}
