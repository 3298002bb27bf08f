/**
 * A disk in memory that fails on demand. Power cuts keep any subset of the sectors that were being
 * written and of the directory operations that were not synced. A disk whose process has ended
 * never answers again, so nothing of that process goes on; the next one is given the survivor.
 */
import { basename, dirname, normalize } from 'node:path';
import { assert, LogLogError } from '../../proto/errors.js';
import type { Disk, DiskFile, WriteUnit } from '../../server/log/disk.js';
import { blockBytes } from '../../server/log/disk.js';
import type { DirectoryChange } from './memory-directory.js';
import type { Change } from './memory-file.js';
import { MemoryFile, sectorBytes } from './memory-file.js';
import { failure, MemoryTree } from './memory-tree.js';
import { seededRandom } from './seeded-random.js';
import type { WriteFault } from './write-faults.js';
import { WriteFaults } from './write-faults.js';

export type DiskOperation = keyof Disk | keyof DiskFile | 'release';

export interface MemoryDiskOptions {
  /** Decides what power cuts keep. */
  readonly seed?: number;
  /** How long each operation takes; by default no time passes. */
  readonly delay?: (operation: DiskOperation) => Promise<void> | undefined;
  /** Of all files; without it there is no end to the disk. */
  readonly roomBytes?: number;
}

type Write = Extract<Change, { type: 'write' }>;

/** A whole disk as it was at some time. */
export type DiskSnapshot = Pick<MemoryTree, 'settled'>;

const nothing = () => {};

export class MemoryDisk implements Disk {
  /** Resolves when the power is cut, or the process has ended in another way. */
  readonly powerCut: Promise<void>;
  /** While true, nothing is created and no file grows: ENOSPC. */
  full = false;
  /** All files together do not grow beyond it: ENOSPC, with what fits written. */
  roomBytes: number;
  readonly #options: MemoryDiskOptions;
  #tree = new MemoryTree();
  readonly #locked = new Set<string>();
  readonly #writeFaults = new WriteFaults();
  readonly #readFailures = new Set<string>();
  #operations = 0;
  #powerCutAt = Infinity;
  #powered = true;
  #onPowerCut: () => void = () => {};
  #stalled: Promise<void> | null = null;

  constructor(options: MemoryDiskOptions = {}) {
    this.#options = options;
    this.roomBytes = options.roomBytes ?? Infinity;
    this.powerCut = new Promise((cut) => (this.#onPowerCut = cut));
  }

  /** Operations begun so far, of every kind. */
  get operations(): number {
    return this.#operations;
  }

  /** Writes begun so far. */
  get writes(): number {
    return this.#writeFaults.writes;
  }

  get usedBytes(): number {
    return this.#tree.usedBytes;
  }

  /** Every file with its length, sorted by path. */
  files(): { readonly path: string; readonly length: number }[] {
    return this.#tree.files();
  }

  /** What a reader of the file would see; a copy. */
  contentOf(path: string): Buffer {
    return this.#tree.file(path).content;
  }

  /**
   * Bytes of a file that a power cut would leave for certain, at once and not as an operation: how
   * many were read into `into`, or undefined if the file itself is not durable.
   */
  readSynced(path: string, into: Buffer, position: number): number | undefined {
    return this.#tree.findSynced(path)?.readSynced(into, position);
  }

  /** Cuts the power in the middle of the n-th operation from now; 1 is the next. */
  cutPowerAt(nth: number): void {
    this.#powerCutAt = this.#operations + nth;
  }

  /**
   * The disk as the next process finds it, not `full` and with no faults to come. Cuts the power,
   * if that has not happened. Called again with another seed it shows what else might have survived.
   */
  crash(seed = this.#options.seed ?? 1): MemoryDisk {
    return this.#survivor(seed + 1, this.#tree.afterPowerCut(seededRandom(seed)));
  }

  /**
   * The disk as the next process finds it when only the process has ended: all that was begun is
   * seen, and what was not durable is not before `writeBack`.
   */
  kill(): MemoryDisk {
    return this.#survivor(this.#options.seed, this.#tree.copy());
  }

  /** The system writes back by itself what is not durable yet. */
  writeBack(): void {
    this.#tree.sync();
  }

  snapshot(): DiskSnapshot {
    return this.#tree.settled();
  }

  /** Puts an older image of the whole disk back, while no process uses it. */
  restore(snapshot: DiskSnapshot): void {
    assert(this.#locked.size === 0, 'no process uses the disk');
    this.#tree = snapshot.settled();
  }

  /** An empty disk in its place, while no process uses it. */
  wipe(): void {
    this.restore(new MemoryTree());
  }

  /** The n-th write from now fails, half of its sectors done; 1 is the next. */
  failWrite(nth: number, code: string): void {
    this.faultWrite(nth, { type: 'fail', code });
  }

  faultWrite(nth: number, fault: WriteFault): void {
    this.#writeFaults.onNth(nth, fault);
  }

  faultNextWrite(path: string, fault: WriteFault): void {
    this.#writeFaults.onNext(path, fault);
  }

  /** The next read of the file fails with EIO, and no other. */
  failNextRead(path: string): void {
    this.#readFailures.add(normalize(path));
  }

  /** Reads of these bytes' sectors fail with EIO until the sectors are rewritten. */
  spoilSectors(path: string, position: number, length: number): void {
    this.#tree.file(path).spoil(position, length);
  }

  /** The sectors of these bytes, as far as the file has them, hold zeros. */
  zeroSectors(path: string, position: number, length: number): void {
    const start = position - (position % sectorBytes);
    const end = Math.ceil((position + length) / sectorBytes) * sectorBytes;
    this.#tree.file(path).overwrite(Buffer.alloc(end - start), start);
  }

  /** A bit of what is on the disk turns over. */
  flipBit(path: string, position: number, bit = 0): void {
    this.#tree.file(path).flipBit(position, bit);
  }

  /** Writes and truncations begun from now on do not end before the returned function is called. */
  stallWrites(): () => void {
    let release = nothing;
    this.#stalled = new Promise((done) => (release = done));
    return release;
  }

  async open(
    path: string,
    mode: 'read' | 'write' | 'create',
    unit: WriteUnit = 'bytes',
  ): Promise<DiskFile> {
    return this.#operation('open', () => {
      const written = mode === 'read' ? undefined : unit;
      if (mode !== 'create') return this.#handle(this.#tree.file(path), path, written);
      if (this.#tree.directory(dirname(path)).names.has(basename(path)))
        throw failure('EEXIST', path);
      if (this.#roomLeft <= 0) throw failure('ENOSPC', path);
      const file = new MemoryFile();
      this.#change(dirname(path), { type: 'create', name: basename(path), file });
      return this.#handle(file, path, written);
    });
  }

  list(directory: string): Promise<string[]> {
    return this.#operation('list', () => this.#tree.list(directory));
  }

  /** Durable at once, with its parents. */
  makeDirectory(directory: string): Promise<void> {
    return this.#operation('makeDirectory', () => this.#tree.make(directory));
  }

  rename(from: string, to: string): Promise<void> {
    return this.#operation('rename', () => {
      if (dirname(from) !== dirname(to)) throw failure('EXDEV', `${from} to ${to}`);
      this.#change(dirname(from), {
        type: 'rename',
        from: basename(from),
        to: basename(to),
        file: this.#tree.file(from),
      });
    });
  }

  remove(path: string): Promise<void> {
    return this.#operation('remove', () => {
      const file = this.#tree.file(path);
      this.#change(dirname(path), { type: 'remove', name: basename(path), file });
    });
  }

  async syncDirectory(path: string): Promise<void> {
    await this.#operation(
      'syncDirectory',
      () => this.#tree.directory(path).beginSync(),
      (end) => end(),
    );
  }

  lengthOf(path: string): Promise<number | undefined> {
    return this.#operation('lengthOf', () => this.#tree.find(path)?.length);
  }

  lock(directory: string): Promise<{ release(): Promise<void> }> {
    return this.#operation('lock', () => {
      const path = normalize(directory);
      this.#tree.directory(path);
      if (this.#locked.has(path)) {
        throw new LogLogError('DIRECTORY_IN_USE', `${directory} is in use by another process`);
      }
      this.#locked.add(path);
      return {
        release: () => this.#operation('release', () => void this.#locked.delete(path)),
      };
    });
  }

  /** `written`: in which unit, if it may be. */
  #handle(file: MemoryFile, path: string, written: WriteUnit | undefined): DiskFile {
    let open = true;
    const check = (usable: boolean) => {
      if (!open || !usable) throw failure('EBADF', path);
    };
    const change = async (operation: DiskOperation, begin: () => () => void) => {
      await this.#operation(operation, begin, (end) => end());
    };
    return {
      read: (into, position) =>
        this.#operation('read', () => {
          check(true);
          assert(written !== 'blocks', 'whoever reads opens the file for that');
          return this.#read(file, path, into, position);
        }),
      write: (parts, position) =>
        change('write', () => {
          check(written !== undefined);
          const bytes = Buffer.concat(parts);
          const unitBytes = written === 'blocks' ? blockBytes : 1;
          const isWhole = position % unitBytes === 0 && bytes.length % unitBytes === 0;
          assert(isWhole, 'what is written are whole blocks');
          return this.#write(file, path, { type: 'write', bytes, position });
        }),
      truncate: (length) =>
        change('truncate', () => {
          check(written !== undefined);
          if (length - file.length > this.#roomLeft) throw failure('ENOSPC', path);
          return file.begin({ type: 'truncate', length });
        }),
      length: () =>
        this.#operation('length', () => {
          check(true);
          return file.length;
        }),
      close: () =>
        this.#operation('close', () => {
          check(true);
          open = false;
        }),
    };
  }

  #read(file: MemoryFile, path: string, into: Buffer, position: number): number {
    const count = file.read(into, position);
    const isFailing = this.#readFailures.size > 0 && this.#readFailures.delete(normalize(path));
    if (count === undefined || isFailing) throw failure('EIO', path);
    return count;
  }

  /** Returns what makes it durable. */
  #write(file: MemoryFile, path: string, change: Write): () => void {
    const fault = this.#writeFaults.take(path);
    switch (fault?.type) {
      case 'fail':
        file.begin(cutTo(change, change.bytes.length >> 1))();
        throw failure(fault.code, path);
      case 'failSync':
        file.applyUnsynced(change);
        throw failure(fault.code, path);
      case 'lose':
        return nothing;
      case 'misdirect':
        this.#tree.find(fault.path)?.overwrite(change.bytes, fault.position);
        return nothing;
      case undefined:
    }
    const growth = change.position + change.bytes.length - file.length;
    if (growth <= 0 || growth <= this.#roomLeft) return file.begin(change);
    if (!this.full) {
      const fitting = file.length + this.#roomLeft - change.position;
      file.begin(cutTo(change, Math.max(0, fitting)))();
    }
    throw failure('ENOSPC', path);
  }

  get #roomLeft(): number {
    if (this.full) return 0;
    return this.roomBytes === Infinity ? Infinity : Math.max(0, this.roomBytes - this.usedBytes);
  }

  /**
   * One operation: `begin` takes effect at once and may be lost, `end` makes it durable. The power
   * is cut between the two.
   */
  async #operation<T>(
    operation: DiskOperation,
    begin: () => T,
    end: (result: T) => void = nothing,
  ): Promise<T> {
    if (!this.#powered) return new Promise<never>(nothing);
    this.#operations += 1;
    const result = begin();
    if (this.#operations === this.#powerCutAt) this.#cutPower();
    if (operation === 'write' || operation === 'truncate') await this.#stalled;
    await this.#options.delay?.(operation);
    if (!this.#powered) return new Promise<never>(nothing);
    end(result);
    return result;
  }

  #cutPower(): void {
    this.#powered = false;
    this.#onPowerCut();
  }

  #survivor(seed: number | undefined, tree: MemoryTree): MemoryDisk {
    this.#cutPower();
    const { roomBytes } = this;
    const options = { ...this.#options, roomBytes, ...(seed !== undefined && { seed }) };
    const survivor = new MemoryDisk(options);
    survivor.#tree = tree;
    return survivor;
  }

  #change(path: string, change: DirectoryChange): void {
    this.#tree.directory(path).change(change);
  }
}

/** As much of a write, up to the end of a sector, as `length` bytes of it reach. */
function cutTo({ type, bytes, position }: Write, length: number): Write {
  const end = position + length;
  return {
    type,
    bytes: bytes.subarray(0, Math.max(0, end - (end % sectorBytes) - position)),
    position,
  };
}
