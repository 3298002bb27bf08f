/**
 * Memory for writes that go past the system's cache: Linux takes their bytes from page boundaries
 * on only.
 */
import { assert } from '../../proto/errors.js';

const pieceBytes = 2 ** 20;

/** Kept for the next writes. */
const freePiecesMax = 8;

export class AlignedMemory {
  readonly #free: Buffer[] = [];

  /** Calls `write` with the bytes of `parts`, in pieces that begin where a page does. */
  async withCopyOf<T>(
    parts: readonly Buffer[],
    write: (pieces: readonly Buffer[]) => Promise<T>,
  ): Promise<T> {
    const bytes = parts.reduce((sum, { length }) => sum + length, 0);
    const taken = Array.from(
      { length: Math.ceil(bytes / pieceBytes) },
      () => this.#free.pop() ?? allocatePiece(),
    );
    copy(parts, taken);
    try {
      return await write(
        taken.map((piece, i) => piece.subarray(0, Math.min(pieceBytes, bytes - i * pieceBytes))),
      );
    } finally {
      this.#free.push(...taken.slice(0, freePiecesMax - this.#free.length));
    }
  }
}

function copy(parts: readonly Buffer[], pieces: readonly Buffer[]): void {
  let at = 0;
  for (const part of parts) {
    for (let from = 0; from < part.length;) {
      const piece = pieces[Math.floor(at / pieceBytes)];
      assert(piece !== undefined, 'there are pieces for all of it');
      const copied = part.copy(piece, at % pieceBytes, from);
      from += copied;
      at += copied;
    }
  }
}

/** V8 reserves whole pages for a buffer that can be resized, where others come from malloc. */
function allocatePiece(): Buffer {
  return Buffer.from(new ArrayBuffer(pieceBytes, { maxByteLength: pieceBytes }), 0, pieceBytes);
}
