/**
 * A disk in memory that fails on demand. Power cuts keep any subset of the sectors that were being
 * written and of the directory operations that were not synced. A disk whose power is cut never
 * answers again, so nothing of the process that used it goes on; the next one is given the
 * survivor.
 */
import { basename, dirname, normalize } from 'node:path';
import { LogLogError } from '../../proto/errors.js';
import type { Disk, DiskFile } from '../../server/log/disk.js';
import { DiskError } from '../../server/log/disk.js';
import { MemoryFile, sectorBytes } from './memory-file.js';
import { seededRandom } from './seeded-random.js';

type DirectoryChange =
  | { readonly type: 'create'; readonly name: string; readonly file: MemoryFile }
  | {
      readonly type: 'rename';
      readonly from: string;
      readonly to: string;
      readonly file: MemoryFile;
    }
  | { readonly type: 'remove'; readonly name: string; readonly file: MemoryFile };

interface Directory {
  readonly names: Map<string, MemoryFile>;
  readonly syncedNames: Map<string, MemoryFile>;
  unsynced: DirectoryChange[];
}

export interface MemoryDiskOptions {
  /** Decides what power cuts keep. */
  readonly seed?: number;
  /** How long each operation takes; by default one turn of the microtask queue. */
  readonly delay?: () => Promise<void>;
}

const never = new Promise<never>(() => {});

export class MemoryDisk implements Disk {
  /** Resolves when the power is cut. */
  readonly powerCut: Promise<void>;
  /** While true, nothing is created and no file grows: ENOSPC. */
  full = false;
  readonly #options: MemoryDiskOptions;
  readonly #directories = new Map<string, Directory>();
  readonly #locked = new Set<string>();
  readonly #writeFailures = new Map<number, string>();
  #operations = 0;
  #writes = 0;
  #powerCutAt = Infinity;
  #powered = true;
  #onPowerCut: () => void = () => {};
  #stalled: Promise<void> = Promise.resolve();

  constructor(options: MemoryDiskOptions = {}) {
    this.#options = options;
    this.powerCut = new Promise((cut) => (this.#onPowerCut = cut));
  }

  /** Operations begun so far, of every kind. */
  get operations(): number {
    return this.#operations;
  }

  /** Writes begun so far. */
  get writes(): number {
    return this.#writes;
  }

  /** Cuts the power in the middle of the n-th operation from now; 1 is the next. */
  cutPowerAt(nth: number): void {
    this.#powerCutAt = this.#operations + nth;
  }

  /**
   * The disk as the next process finds it. Cuts the power, if that has not happened. Called again
   * with another seed it shows what else might have survived.
   */
  crash(seed = this.#options.seed ?? 1): MemoryDisk {
    this.#cutPower();
    const random = seededRandom(seed);
    const survivor = new MemoryDisk({ ...this.#options, seed: seed + 1 });
    const files = new Map<MemoryFile, MemoryFile>();
    for (const [path, directory] of this.#directories) {
      const names = new Map(directory.syncedNames);
      for (const change of directory.unsynced) {
        if (random.fraction() < 0.5) applyTo(names, change);
      }
      for (const [name, file] of names) {
        const left = files.get(file) ?? file.afterPowerCut(random);
        files.set(file, left);
        names.set(name, left);
      }
      survivor.#directories.set(path, { names, syncedNames: new Map(names), unsynced: [] });
    }
    return survivor;
  }

  /** The n-th write from now fails, half of its sectors done; 1 is the next. */
  failWrite(nth: number, code: string): void {
    this.#writeFailures.set(this.#writes + nth, code);
  }

  /** Writes and truncations begun from now on do not end before the returned function is called. */
  stallWrites(): () => void {
    let release = () => {};
    this.#stalled = new Promise((done) => (release = done));
    return release;
  }

  /** A bit of what is on the disk turns over. */
  flipBit(path: string, position: number, bit = 0): void {
    this.#file(path).flipBit(position, bit);
  }

  /** What a reader of the file would see; a copy. */
  contentOf(path: string): Buffer {
    return Buffer.from(this.#file(path).content);
  }

  async open(path: string, mode: 'read' | 'write' | 'create'): Promise<DiskFile> {
    const found = () => this.#directory(dirname(path)).names.get(basename(path));
    return this.#operation(() => {
      if (mode !== 'create') return this.#handle(this.#file(path), path, mode === 'write');
      if (found() !== undefined) throw failure('EEXIST', path);
      if (this.full) throw failure('ENOSPC', path);
      const file = new MemoryFile();
      this.#change(dirname(path), { type: 'create', name: basename(path), file });
      return this.#handle(file, path, true);
    });
  }

  list(directory: string): Promise<string[]> {
    return this.#operation(() => {
      const path = normalize(directory);
      const names = [...(this.#directories.get(path)?.names.keys() ?? [])];
      const inside = [...this.#directories.keys()].filter(
        (other) => other !== path && dirname(other) === path,
      );
      return [...names, ...inside.map((other) => basename(other))].toSorted();
    });
  }

  /** Durable at once, with its parents. */
  makeDirectory(directory: string): Promise<void> {
    return this.#operation(() => {
      let path = normalize(directory);
      while (!this.#directories.has(path)) {
        this.#directories.set(path, { names: new Map(), syncedNames: new Map(), unsynced: [] });
        path = dirname(path);
      }
    });
  }

  rename(from: string, to: string): Promise<void> {
    return this.#operation(() => {
      if (dirname(from) !== dirname(to)) throw failure('EXDEV', `${from} to ${to}`);
      this.#change(dirname(from), {
        type: 'rename',
        from: basename(from),
        to: basename(to),
        file: this.#file(from),
      });
    });
  }

  remove(path: string): Promise<void> {
    return this.#operation(() => {
      const file = this.#file(path);
      this.#change(dirname(path), { type: 'remove', name: basename(path), file });
    });
  }

  syncDirectory(path: string): Promise<void> {
    return this.#operation(
      () => [...this.#directory(path).unsynced],
      (changes) => {
        const directory = this.#directory(path);
        directory.unsynced = directory.unsynced.filter((change) => !changes.includes(change));
        for (const change of changes) applyTo(directory.syncedNames, change);
      },
    ).then(() => {});
  }

  lengthOf(path: string): Promise<number | undefined> {
    return this.#operation(() => {
      const directory = this.#directories.get(normalize(dirname(path)));
      return directory?.names.get(basename(path))?.content.length;
    });
  }

  lock(directory: string): Promise<{ release(): Promise<void> }> {
    return this.#operation(() => {
      const path = normalize(directory);
      this.#directory(path);
      if (this.#locked.has(path)) {
        throw new LogLogError('DIRECTORY_IN_USE', `${directory} is in use by another process`);
      }
      this.#locked.add(path);
      return {
        release: () => this.#operation(() => void this.#locked.delete(path)),
      };
    });
  }

  #handle(file: MemoryFile, path: string, writable: boolean): DiskFile {
    let open = true;
    const check = (usable: boolean) => {
      if (!open || !usable) throw failure('EBADF', path);
    };
    return {
      read: (into, position) =>
        this.#operation(() => {
          check(true);
          return file.content.copy(into, 0, Math.min(position, file.content.length));
        }),
      write: (parts, position) =>
        this.#operation(
          () => {
            check(writable);
            return this.#write(file, path, Buffer.concat(parts), position);
          },
          (synced) => synced(),
          () => this.#stalled,
        ).then(() => {}),
      truncate: (length) =>
        this.#operation(
          () => {
            check(writable);
            if (this.full && length > file.content.length) throw failure('ENOSPC', path);
            return file.begin({ type: 'truncate', length });
          },
          (synced) => synced(),
          () => this.#stalled,
        ).then(() => {}),
      length: () =>
        this.#operation(() => {
          check(true);
          return file.content.length;
        }),
      close: () =>
        this.#operation(() => {
          check(true);
          open = false;
        }),
    };
  }

  #write(file: MemoryFile, path: string, bytes: Buffer, position: number): () => void {
    this.#writes += 1;
    const code = this.#writeFailures.get(this.#writes);
    if (code !== undefined) {
      const middle = position + (bytes.length >> 1);
      const half = bytes.subarray(0, Math.max(0, middle - (middle % sectorBytes) - position));
      file.begin({ type: 'write', bytes: half, position })();
      throw failure(code, path);
    }
    const growth = position + bytes.length - file.content.length;
    if (this.full && growth > 0) throw failure('ENOSPC', path);
    return file.begin({ type: 'write', bytes, position });
  }

  /**
   * One operation: `begin` takes effect at once and may be lost, `end` makes it durable. The power
   * is cut between the two.
   */
  async #operation<T>(
    begin: () => T,
    end: (result: T) => void = () => {},
    wait: () => Promise<void> = () => Promise.resolve(),
  ): Promise<T> {
    if (!this.#powered) await never;
    this.#operations += 1;
    const result = begin();
    if (this.#operations === this.#powerCutAt) this.#cutPower();
    await (this.#options.delay ?? (() => Promise.resolve()))();
    await wait();
    if (!this.#powered) await never;
    end(result);
    return result;
  }

  #cutPower(): void {
    this.#powered = false;
    this.#onPowerCut();
  }

  #directory(path: string): Directory {
    const directory = this.#directories.get(normalize(path));
    if (directory === undefined) throw failure('ENOENT', path);
    return directory;
  }

  #file(path: string): MemoryFile {
    const file = this.#directory(dirname(path)).names.get(basename(path));
    if (file === undefined) throw failure('ENOENT', path);
    return file;
  }

  #change(path: string, change: DirectoryChange): void {
    const directory = this.#directory(path);
    applyTo(directory.names, change);
    directory.unsynced.push(change);
  }
}

/** Each change names its file, so any subset of them makes sense, and a rename happens at once. */
function applyTo(names: Map<string, MemoryFile>, change: DirectoryChange): void {
  const leave = (name: string) => {
    if (names.get(name) === change.file) names.delete(name);
  };
  if (change.type === 'remove') return leave(change.name);
  if (change.type === 'create') return void names.set(change.name, change.file);
  leave(change.from);
  names.set(change.to, change.file);
}

function failure(code: string, path: string): DiskError {
  return new DiskError(code, `${path}: ${code}`);
}
