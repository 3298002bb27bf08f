/** The content of one file of a MemoryDisk: as it was written, and as it would survive. */
import type { RandomSource } from '../../proto/clock.js';
import { assert } from '../../proto/errors.js';
import { PagedBytes } from './paged-bytes.js';

export const sectorBytes = 512;

export type Change =
  | { readonly type: 'write'; readonly bytes: Buffer; readonly position: number }
  | { readonly type: 'truncate'; readonly length: number };

/** Begun and not durable; what something newer has made durable instead is not part of it. */
interface Unsynced {
  changes: readonly Change[];
}

export class MemoryFile {
  #written = new PagedBytes();
  #synced = new PagedBytes();
  /** In order. */
  #unsynced: Unsynced[] = [];
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
    const unsynced: Unsynced = { changes: [change] };
    this.#unsynced.push(unsynced);
    return () => {
      if (this.#unsynced.includes(unsynced)) this.#end(unsynced);
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
    for (const unsynced of [...this.#unsynced]) this.#end(unsynced);
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
    copy.#unsynced = this.#unsynced.map(({ changes }) => ({ changes }));
    copy.#badSectors = new Set(this.#badSectors);
    return copy;
  }

  /** What a power cut leaves: of what was not durable, any sectors, whole. */
  afterPowerCut(random: RandomSource): MemoryFile {
    const image = this.#synced.copy();
    for (const change of this.#unsynced.flatMap(({ changes }) => changes)) {
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

  /**
   * It becomes durable, and so does what changed the length before. A page has one content: nothing
   * that was written before comes over this any more.
   */
  #end(unsynced: Unsynced): void {
    const before = () => this.#unsynced.slice(0, this.#unsynced.indexOf(unsynced));
    const truncation = before().findLast(({ changes }) => changes.some(isTruncation));
    if (truncation !== undefined) this.#end(truncation);
    for (const change of unsynced.changes) {
      for (const older of before()) {
        older.changes = older.changes.flatMap((one) => besides(one, change));
      }
      apply(this.#synced, change);
    }
    this.#unsynced = this.#unsynced.filter((other) => other !== unsynced);
  }
}

function isTruncation({ type }: Change): boolean {
  return type === 'truncate';
}

/** What is left of a write to come when something newer is durable. */
function besides(older: Change, newer: Change): Change[] {
  assert(older.type === 'write', 'truncations end in order');
  const from = newer.type === 'truncate' ? newer.length : newer.position;
  const to = newer.type === 'truncate' ? Infinity : positionBehind(newer);
  const before = older.bytes.subarray(0, Math.max(0, from - older.position));
  const behind = older.bytes.subarray(Math.max(0, to - older.position));
  return [
    { ...older, bytes: before },
    { ...older, bytes: behind, position: positionBehind(older) - behind.length },
  ].filter(({ bytes }) => bytes.length > 0);
}

function positionBehind({ position, bytes }: Extract<Change, { type: 'write' }>): number {
  return position + bytes.length;
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
