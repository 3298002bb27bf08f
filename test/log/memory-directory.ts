/** The names in one directory of a MemoryDisk: as they are seen, and as they would survive. */
import type { RandomSource } from '../../proto/clock.js';
import type { MemoryFile } from './memory-file.js';

export type DirectoryChange =
  | { readonly type: 'create'; readonly name: string; readonly file: MemoryFile }
  | {
      readonly type: 'rename';
      readonly from: string;
      readonly to: string;
      readonly file: MemoryFile;
    }
  | { readonly type: 'remove'; readonly name: string; readonly file: MemoryFile };

/** What becomes of a file; the same file always becomes the same. */
export type Successor = (file: MemoryFile) => MemoryFile;

export class MemoryDirectory {
  readonly names: Map<string, MemoryFile>;
  #syncedNames: Map<string, MemoryFile>;
  #unsynced: readonly DirectoryChange[] = [];

  constructor(names: ReadonlyMap<string, MemoryFile> = new Map()) {
    this.names = new Map(names);
    this.#syncedNames = new Map(names);
  }

  /** What a power cut leaves under that name for certain. */
  synced(name: string): MemoryFile | undefined {
    return this.#syncedNames.get(name);
  }

  change(change: DirectoryChange): void {
    apply(this.names, change);
    this.#unsynced = [...this.#unsynced, change];
  }

  /** Returns what makes durable all that has changed so far. */
  beginSync(): () => void {
    const changes = this.#unsynced;
    return () => {
      this.#unsynced = this.#unsynced.filter((change) => !changes.includes(change));
      for (const change of changes) apply(this.#syncedNames, change);
    };
  }

  /** The names as they are seen, durably. */
  settled(successor: Successor): MemoryDirectory {
    return new MemoryDirectory(succeeded(this.names, successor));
  }

  copy(successor: Successor): MemoryDirectory {
    const copy = new MemoryDirectory(succeeded(this.names, successor));
    copy.#syncedNames = succeeded(this.#syncedNames, successor);
    copy.#unsynced = this.#unsynced.map((change) => ({ ...change, file: successor(change.file) }));
    return copy;
  }

  /** What a power cut leaves: any of the changes that were not durable. */
  afterPowerCut(random: RandomSource, successor: Successor): MemoryDirectory {
    const names = new Map(this.#syncedNames);
    for (const change of this.#unsynced) if (random.fraction() < 0.5) apply(names, change);
    return new MemoryDirectory(succeeded(names, successor));
  }
}

/** Each change names its file, so any subset of them makes sense, and a rename happens at once. */
function apply(names: Map<string, MemoryFile>, change: DirectoryChange): void {
  const leave = (name: string) => {
    if (names.get(name) === change.file) names.delete(name);
  };
  if (change.type === 'remove') return leave(change.name);
  if (change.type === 'create') return void names.set(change.name, change.file);
  leave(change.from);
  names.set(change.to, change.file);
}

function succeeded(
  names: ReadonlyMap<string, MemoryFile>,
  successor: Successor,
): Map<string, MemoryFile> {
  return new Map(Array.from(names, ([name, file]) => [name, successor(file)]));
}
