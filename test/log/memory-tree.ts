/** Everything that is on a MemoryDisk: directories, and the files in them. */
import { basename, dirname, join, normalize } from 'node:path';
import type { RandomSource } from '../../proto/clock.js';
import { DiskError } from '../../server/log/disk.js';
import type { Successor } from './memory-directory.js';
import { MemoryDirectory } from './memory-directory.js';
import type { MemoryFile } from './memory-file.js';

export class MemoryTree {
  readonly #directories = new Map<string, MemoryDirectory>();

  get usedBytes(): number {
    let bytes = 0;
    for (const { names } of this.#directories.values()) {
      for (const file of names.values()) bytes += file.length;
    }
    return bytes;
  }

  /** Every file with its length, sorted by path. */
  files(): { readonly path: string; readonly length: number }[] {
    const files = [...this.#directories].flatMap(([directory, { names }]) =>
      Array.from(names, ([name, { length }]) => ({ path: join(directory, name), length })),
    );
    return files.toSorted((a, b) => (a.path < b.path ? -1 : 1));
  }

  /** Names of files and directories, sorted. */
  list(directory: string): string[] {
    const path = normalize(directory);
    const names = [...(this.#directories.get(path)?.names.keys() ?? [])];
    const inside = [...this.#directories.keys()].filter(
      (other) => other !== path && dirname(other) === path,
    );
    return [...names, ...inside.map((other) => basename(other))].toSorted();
  }

  /** With its parents. */
  make(directory: string): void {
    let path = normalize(directory);
    while (!this.#directories.has(path)) {
      this.#directories.set(path, new MemoryDirectory());
      path = dirname(path);
    }
  }

  /** Throws ENOENT. */
  directory(path: string): MemoryDirectory {
    const directory = this.#directories.get(normalize(path));
    if (directory === undefined) throw failure('ENOENT', path);
    return directory;
  }

  find(path: string): MemoryFile | undefined {
    return this.#directories.get(normalize(dirname(path)))?.names.get(basename(path));
  }

  /** That a power cut leaves there for certain. */
  findSynced(path: string): MemoryFile | undefined {
    return this.#directories.get(normalize(dirname(path)))?.synced(basename(path));
  }

  /** Throws ENOENT. */
  file(path: string): MemoryFile {
    const file = this.find(path);
    if (file === undefined) throw failure('ENOENT', path);
    return file;
  }

  /** All that was written becomes durable. */
  sync(): void {
    for (const directory of this.#directories.values()) {
      directory.beginSync()();
      for (const file of directory.names.values()) file.sync();
    }
  }

  /** What a power cut leaves. */
  afterPowerCut(random: RandomSource): MemoryTree {
    const successor = once((file) => file.afterPowerCut(random));
    return this.#become((directory) => directory.afterPowerCut(random, successor));
  }

  /** With what is not durable. */
  copy(): MemoryTree {
    const successor = once((file) => file.copy());
    return this.#become((directory) => directory.copy(successor));
  }

  /** All that is seen, durably. */
  settled(): MemoryTree {
    const successor = once((file) => file.settled());
    return this.#become((directory) => directory.settled(successor));
  }

  #become(successor: (directory: MemoryDirectory) => MemoryDirectory): MemoryTree {
    const tree = new MemoryTree();
    for (const [path, directory] of this.#directories) {
      tree.#directories.set(path, successor(directory));
    }
    return tree;
  }
}

export function failure(code: string, path: string): DiskError {
  return new DiskError(code, `${path}: ${code}`);
}

/** Files may have several names: each of them is to become one other. */
function once(successor: Successor): Successor {
  const successors = new Map<MemoryFile, MemoryFile>();
  return (file) => {
    const known = successors.get(file) ?? successor(file);
    successors.set(file, known);
    return known;
  };
}
