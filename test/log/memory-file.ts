/** The content of one file of a MemoryDisk: as it was written, and as it would survive. */
import type { RandomSource } from '../../proto/clock.js';

export const sectorBytes = 512;

type Change =
  | { readonly type: 'write'; readonly bytes: Buffer; readonly position: number }
  | { readonly type: 'truncate'; readonly length: number };

export class MemoryFile {
  #written: Image;
  #synced: Image;
  /** Begun and not durable, in order. */
  #unsynced: Change[] = [];

  constructor(content: Buffer = Buffer.alloc(0)) {
    this.#written = new Image(content);
    this.#synced = new Image(content);
  }

  get content(): Buffer {
    return this.#written.content;
  }

  /** Seen by readers at once; durable when the function that is returned has been called. */
  begin(change: Change): () => void {
    this.#written.apply(change);
    this.#unsynced.push(change);
    return () => {
      this.#unsynced = this.#unsynced.filter((other) => other !== change);
      this.#synced.apply(change);
    };
  }

  flipBit(position: number, bit: number): void {
    this.#written.flipBit(position, bit);
    this.#synced.flipBit(position, bit);
  }

  /** What a power cut leaves: of what was not durable, any sectors, whole. */
  afterPowerCut(random: RandomSource): MemoryFile {
    const survivor = new Image(this.#synced.content);
    for (const change of this.#unsynced) {
      if (change.type === 'truncate') {
        if (random.fraction() < 0.5) survivor.apply(change);
        continue;
      }
      const end = change.position + change.bytes.length;
      // A file may have grown without its data having arrived: then there are zeros.
      if (random.fraction() < 0.5) survivor.grow(end);
      const keep = random.fraction();
      for (let at = change.position; at < end;) {
        const next = Math.min(end, at - (at % sectorBytes) + sectorBytes);
        const sector = change.bytes.subarray(at - change.position, next - change.position);
        if (random.fraction() < keep)
          survivor.apply({ type: 'write', bytes: sector, position: at });
        at = next;
      }
    }
    return new MemoryFile(survivor.content);
  }
}

class Image {
  #bytes: Buffer;
  #length: number;

  constructor(content: Buffer) {
    this.#bytes = Buffer.from(content);
    this.#length = content.length;
  }

  get content(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  apply(change: Change): void {
    if (change.type === 'truncate') {
      this.grow(change.length);
      this.#bytes.fill(0, change.length, this.#length);
      this.#length = change.length;
    } else {
      this.grow(change.position + change.bytes.length);
      change.bytes.copy(this.#bytes, change.position);
    }
  }

  grow(length: number): void {
    if (length > this.#bytes.length) {
      const larger = Buffer.alloc(Math.max(length, 2 * this.#bytes.length));
      this.content.copy(larger);
      this.#bytes = larger;
    }
    this.#length = Math.max(this.#length, length);
  }

  flipBit(position: number, bit: number): void {
    if (position >= this.#length) return;
    this.#bytes.writeUInt8(this.#bytes.readUInt8(position) ^ (1 << bit), position);
  }
}
