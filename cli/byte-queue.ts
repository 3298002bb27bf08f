/** Bytes on their way through, taken out in other pieces than they came in. */
import { assert } from '../proto/errors.js';

export class ByteQueue {
  #parts: Buffer[] = [];
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Keeps a reference: the caller must not write to `part` again. */
  push(part: Buffer): void {
    if (part.length === 0) return;
    this.#parts.push(part);
    this.#length += part.length;
  }

  /** The oldest `count` bytes, copied only if they came in several parts. */
  take(count: number): Buffer {
    assert(count <= this.#length, 'no more bytes are taken than there are');
    const taken: Buffer[] = [];
    let missing = count;
    let used = 0;
    for (const part of this.#parts) {
      if (part.length > missing) break;
      taken.push(part);
      missing -= part.length;
      used++;
    }
    this.#parts.splice(0, used);
    const [first] = this.#parts;
    if (missing > 0 && first !== undefined) {
      taken.push(first.subarray(0, missing));
      this.#parts[0] = first.subarray(missing);
    }
    this.#length -= count;
    const [only] = taken;
    return taken.length === 1 && only !== undefined ? only : Buffer.concat(taken, count);
  }
}
