/**
 * The last bytes of the log, in slabs that are used again and again. A batch that stayed in its own
 * buffer would soon count as old to V8, which finds old garbage only by marking the whole heap:
 * twice a second, where the log grows quickly (docs/BENCHMARKS.md).
 */
import { assert } from '../../proto/errors.js';

const slabBytes = 256 * 1024;

export class RecentBytes {
  /** Slabs in use and spare ones together, unless more are in use. */
  readonly #slabsMax: number;
  /** One behind the other: the first holds what lies from `#firstSlab * slabBytes` on. */
  readonly #slabs: Buffer[] = [];
  #firstSlab: number;
  readonly #spare: Buffer[] = [];
  #endOffset: number;

  /** As much memory as `bytesMax` take is kept when it is no longer in use. */
  constructor(bytesMax: number, endOffset: number) {
    // The first and the last slab are not used to the full.
    this.#slabsMax = Math.ceil(bytesMax / slabBytes) + 2;
    this.#firstSlab = slabOf(endOffset);
    this.#endOffset = endOffset;
  }

  append(bytes: Buffer): void {
    for (let from = 0; from < bytes.length;) {
      const copied = bytes.copy(this.#slabAtEnd(), this.#endOffset % slabBytes, from);
      from += copied;
      this.#endOffset += copied;
    }
  }

  /** Of what lies between the offsets, none of which has been dropped. */
  copyOf(from: number, to: number): Buffer {
    return Buffer.concat(this.viewsOf(from, to), to - from);
  }

  /** The memory itself: to be used at once, before anything is dropped, truncated or appended. */
  viewsOf(from: number, to: number): readonly Buffer[] {
    assert(to <= this.#endOffset, 'what is asked for has been appended');
    const views: Buffer[] = [];
    for (let at = from; at < to;) {
      const slab = this.#slabs[slabOf(at) - this.#firstSlab];
      assert(slab !== undefined, 'what is asked for has not been dropped');
      const start = at % slabBytes;
      const view = slab.subarray(start, Math.min(start + to - at, slabBytes));
      views.push(view);
      at += view.length;
    }
    return views;
  }

  /** The next bytes go to `offset`, which may lie in front of all that is here. */
  truncate(offset: number): void {
    this.#endOffset = offset;
    if (slabOf(offset) >= this.#firstSlab) return;
    while (this.#slabs.length > 0) this.#dropFirst();
    this.#firstSlab = slabOf(offset);
  }

  /** What lies in front of `offset` is no longer needed. */
  dropBelow(offset: number): void {
    while (this.#firstSlab < slabOf(offset)) this.#dropFirst();
  }

  #dropFirst(): void {
    const slab = this.#slabs.shift();
    this.#firstSlab += 1;
    const slabCount = this.#slabs.length + this.#spare.length;
    if (slab !== undefined && slabCount < this.#slabsMax) this.#spare.push(slab);
  }

  #slabAtEnd(): Buffer {
    const index = slabOf(this.#endOffset) - this.#firstSlab;
    assert(index >= 0 && index <= this.#slabs.length, 'slabs follow each other');
    return (this.#slabs[index] ??= this.#spare.pop() ?? Buffer.allocUnsafeSlow(slabBytes));
  }
}

function slabOf(offset: number): number {
  return Math.floor(offset / slabBytes);
}
