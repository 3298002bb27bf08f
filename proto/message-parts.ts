/**
 * Messages that end with many bytes, for gRPC, which copies whatever a codec returns into a frame of
 * its own. Those bytes are copied there once, and not into a message before: docs/BENCHMARKS.md says
 * what that brings. @grpc/grpc-js asks a message for no more than its length and to copy itself; if
 * a new version wants more, no upload and no page gets through any test.
 */

/** What a message begins with, and the bytes that it ends with. */
export type MessageParts = readonly [head: Buffer, tail: Buffer];

/** For gRPC alone. The tail must not change before the message has been sent. */
export function asOneBuffer(parts: MessageParts): Buffer {
  return new Joined(parts) as unknown as Buffer;
}

class Joined implements Pick<Buffer, 'length' | 'byteLength' | 'copy'> {
  readonly length: number;
  readonly #parts: MessageParts;

  constructor(parts: MessageParts) {
    this.#parts = parts;
    this.length = parts[0].length + parts[1].length;
  }

  get byteLength(): number {
    return this.length;
  }

  copy(target: Uint8Array, at = 0): number {
    const [head, tail] = this.#parts;
    const count = head.copy(target, at);
    return count + tail.copy(target, at + count);
  }
}
