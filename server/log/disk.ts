/**
 * All access to files goes through this interface: the real disk (system-disk.ts) implements it,
 * and so does the faulty one of the tests. Every failure is a DiskError.
 */

/** `noSpace` is the one failure that passes by itself; everything else stops the node. */
export class DiskError extends Error {
  override readonly name = 'DiskError';
  readonly noSpace: boolean;
  /** The system's code, like EIO or ENOENT. */
  readonly code: string;

  constructor(code: string, message: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
    this.noSpace = code === 'ENOSPC' || code === 'EDQUOT';
  }
}

/**
 * What a file that is opened for blocks takes is whole ones, at positions that are multiples of it.
 * It is a multiple of what disks write at once: docs/FORMAT.md.
 */
export const blockBytes = 4096;

export type WriteUnit = 'bytes' | 'blocks';

export interface DiskFile {
  /** Reads until `into` is full or the file ends; returns the bytes read. */
  read(into: Buffer, position: number): Promise<number>;
  /**
   * Writes all of `parts`, one behind the other. Once resolved they survive a power cut. What goes
   * to a file in blocks has been taken when this returns: the buffers may change from then on.
   */
  write(parts: readonly Buffer[], position: number): Promise<void>;
  /** Sets the length; once resolved that survives a power cut. */
  truncate(length: number): Promise<void>;
  length(): Promise<number>;
  close(): Promise<void>;
}

export interface Disk {
  /**
   * Opens a file for reading, or for writing too; `create` demands that it does not exist yet. Of
   * a file that is written in `blocks` only those who open it for themselves may read.
   */
  open(path: string, mode: 'read' | 'write' | 'create', unit?: WriteUnit): Promise<DiskFile>;
  /** Names in a directory, sorted; of a missing directory, none. */
  list(directory: string): Promise<string[]>;
  makeDirectory(directory: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  /** Makes creations, renames and removals in the directory durable. */
  syncDirectory(directory: string): Promise<void>;
  /** Length of a file, or undefined if there is none. */
  lengthOf(path: string): Promise<number | undefined>;
  /** Takes the directory for this process, or throws; a killed process leaves no lock behind. */
  lock(directory: string): Promise<{ release(): Promise<void> }>;
}
