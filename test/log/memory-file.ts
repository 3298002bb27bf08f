/** The content of one file of a MemoryDisk: as it was written, and as it would survive. */
import type { RandomSource } from '../../proto/clock.js';
import { PagedBytes } from './paged-bytes.js';

export const sectorBytes = 512;

export type Change =
  | { readonly type: 'write'; readonly bytes: Buffer; readonly position: number }
  | { readonly type: 'truncate'; readonly length: number };

export class MemoryFile {
  #written = new PagedBytes();
  #synced = new PagedBytes();
  /** Begun and not durable, in order. */
  #unsynced: Change[] = [];
  /** Numbers of the sectors that cannot be read until they are rewritten. */
  #badSectors = new Set<number>();

  get length(): number {
    return this.#written.length;
  }

  /** A copy. */
  get content(): Buffer {
    const content = Buffer.allocUnsafe(this.length);
    this.#written.read(content, 0);
    return content;
  }

  /** What is read; undefined where a sector is bad. */
  read(into: Buffer, position: number): number | undefined {
    if (this.#badSectors.size > 0) {
      for (const sector of sectorsOf(position, into.length)) {
        if (this.#badSectors.has(sector)) return undefined;
      }
    }
    return this.#written.read(into, position);
  }

  /** What would survive, of those bytes. */
  readSynced(into: Buffer, position: number): number {
    return this.#synced.read(into, position);
  }

  /** Seen by readers at once; durable when the function that is returned has been called. */
  begin(change: Change): () => void {
    this.applyUnsynced(change);
    this.#unsynced.push(change);
    return () => {
      const at = this.#unsynced.indexOf(change);
      if (at < 0) return;
      this.#unsynced.splice(at, 1);
      apply(this.#synced, change);
    };
  }

  /** Seen by readers, and never durable: what a failed sync leaves, whose pages count as clean. */
  applyUnsynced(change: Change): void {
    apply(this.#written, change);
    if (change.type === 'truncate' || this.#badSectors.size === 0) return;
    for (const sector of sectorsOf(change.position, change.bytes.length)) {
      this.#badSectors.delete(sector);
    }
  }

  /** Everything that has been begun becomes durable. */
  sync(): void {
    for (const change of this.#unsynced) apply(this.#synced, change);
    this.#unsynced = [];
  }

  /** What the drive does by itself: at once, for good, and without making the file longer. */
  overwrite(bytes: Buffer, position: number): void {
    for (const image of [this.#written, this.#synced]) {
      image.write(bytes.subarray(0, Math.max(0, image.length - position)), position);
    }
  }

  flipBit(position: number, bit: number): void {
    for (const image of [this.#written, this.#synced]) {
      const byte = Buffer.alloc(1);
      if (image.read(byte, position) === 0) continue;
      image.write(Buffer.of(byte.readUInt8() ^ (1 << bit)), position);
    }
  }

  /** Reads of these bytes' sectors fail until they are written. */
  spoil(position: number, length: number): void {
    for (const sector of sectorsOf(position, length)) this.#badSectors.add(sector);
  }

  /** What readers see, durable and without bad sectors. */
  settled(): MemoryFile {
    const settled = new MemoryFile();
    settled.#written = this.#written.copy();
    settled.#synced = this.#written.copy();
    return settled;
  }

  /** As another process finds it while the power stays on. */
  copy(): MemoryFile {
    const copy = new MemoryFile();
    copy.#written = this.#written.copy();
    copy.#synced = this.#synced.copy();
    copy.#unsynced = [...this.#unsynced];
    copy.#badSectors = new Set(this.#badSectors);
    return copy;
  }

  /** What a power cut leaves: of what was not durable, any sectors, whole. */
  afterPowerCut(random: RandomSource): MemoryFile {
    const image = this.#synced.copy();
    for (const change of this.#unsynced) {
      if (change.type === 'truncate') {
        if (random.fraction() < 0.5) apply(image, change);
      } else {
        keepSectors(image, change.bytes, change.position, random);
      }
    }
    const survivor = new MemoryFile();
    survivor.#written = image;
    survivor.#synced = image.copy();
    survivor.#badSectors = new Set(this.#badSectors);
    return survivor;
  }
}

function apply(image: PagedBytes, change: Change): void {
  if (change.type === 'truncate') image.truncate(change.length);
  else image.write(change.bytes, change.position);
}

function keepSectors(image: PagedBytes, bytes: Buffer, position: number, random: RandomSource) {
  const end = position + bytes.length;
  // A file may have grown without its data having arrived: then there are zeros.
  if (random.fraction() < 0.5) image.grow(end);
  const keep = random.fraction();
  for (let at = position; at < end;) {
    const next = Math.min(end, at - (at % sectorBytes) + sectorBytes);
    if (random.fraction() < keep) image.write(bytes.subarray(at - position, next - position), at);
    at = next;
  }
}

function* sectorsOf(position: number, length: number): Generator<number> {
  const end = Math.ceil((position + length) / sectorBytes);
  for (let sector = Math.floor(position / sectorBytes); sector < end; sector += 1) yield sector;
}
