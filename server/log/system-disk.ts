/** The real disk. Only composition roots name this file. */
import { constants, writevSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { mkdir, open, readdir, rename, stat, statfs, unlink } from 'node:fs/promises';
import type { Server } from 'node:net';
import { createServer } from 'node:net';
import { dirname, resolve } from 'node:path';
import lockfile from 'proper-lockfile';
import { LogLogError } from '../../proto/errors.js';
import { AlignedMemory } from './aligned-memory.js';
import type { Disk, DiskFile, WriteUnit } from './disk.js';
import { blockBytes, DiskError } from './disk.js';
import type { WritePace } from './write-pace.js';
import { shortWriteBytesMax } from './write-pace.js';

const onLinux = process.platform === 'linux';

/**
 * On Linux a write with O_DSYNC is durable when it returns. Elsewhere the flag is missing or stops
 * at the drive's cache, and every write is followed by fdatasync.
 */
const durableWrites = onLinux ? constants.O_DSYNC : 0;

/** IOV_MAX of Linux and macOS: the most buffers that one writev takes. */
const writeBuffersMax = 1024;

type Pace = Pick<WritePace, 'mayBlock' | 'waited'>;

const openFlags = {
  read: constants.O_RDONLY,
  write: constants.O_RDWR | durableWrites,
  create: constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | durableWrites,
} as const;

export interface SystemDiskOptions {
  /**
   * For a process that is a node's alone: its main thread waits for short writes, as long as the
   * disk is quick. A disk that hangs holds up all of it; the other nodes go on without.
   */
  readonly pace?: Pace;
  /**
   * Gets a file that is written in blocks through the system's cache, since its file system takes
   * them in no other way.
   */
  readonly onCached?: (path: string) => void;
}

const alignedMemory = new AlignedMemory();

const names: Omit<Disk, 'open'> = {
  async list(directory) {
    const found = await unlessMissing(`list ${directory}`, readdir(directory));
    return (found ?? []).toSorted();
  },

  async makeDirectory(directory) {
    const path = resolve(directory);
    const first = await told(`make directory ${path}`, mkdir(path, { recursive: true }));
    if (first === undefined) return;
    for (let made = path; made.length >= first.length; made = dirname(made)) {
      await syncDirectory(dirname(made));
    }
  },

  rename: (from, to) => told(`rename ${from} to ${to}`, rename(from, to)),
  remove: (path) => told(`remove ${path}`, unlink(path)),
  syncDirectory,

  async lengthOf(path) {
    return (await unlessMissing(`stat ${path}`, stat(path)))?.size;
  },

  lock: (directory) => (onLinux ? lockBySocket(directory) : lockByFile(directory)),
};

export function systemDiskWith(options: SystemDiskOptions): Disk {
  return { ...names, open: (path, mode, unit) => openFile(path, mode, unit ?? 'bytes', options) };
}

export const systemDisk = systemDiskWith({});

async function openFile(
  path: string,
  mode: keyof typeof openFlags,
  unit: WriteUnit,
  { pace, onCached }: SystemDiskOptions,
): Promise<DiskFile> {
  const handle = await told(`open ${path}`, open(path, openFlags[mode]));
  if (unit === 'bytes') return new SystemFile(path, handle, pace);
  try {
    const direct = await told(`open ${path}`, openDirect(path));
    if (direct === undefined) onCached?.(path);
    else await handle.close();
    return new SystemFile(path, direct ?? handle, pace, alignedMemory);
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/**
 * For writes that go past the system's cache, undefined where there are none. While that cache
 * grows, copying into its new pages is most of what a write costs (docs/BENCHMARKS.md), and those of
 * the fill pattern nobody ever reads.
 */
async function openDirect(path: string): Promise<FileHandle | undefined> {
  if (!onLinux || (await statfs(path)).bsize > blockBytes) return undefined;
  try {
    return await open(path, openFlags.write | constants.O_DIRECT);
  } catch (error) {
    if (codeOf(error) === 'EINVAL') return undefined;
    throw error;
  }
}

class SystemFile implements DiskFile {
  readonly #path: string;
  readonly #handle: FileHandle;
  readonly #pace: Pace | undefined;
  /** What is written is copied there. */
  readonly #memory: AlignedMemory | undefined;
  /** Writes that other threads are at: one on this thread would wait for their lock on the file. */
  #writesElsewhere = 0;

  constructor(path: string, handle: FileHandle, pace?: Pace, memory?: AlignedMemory) {
    this.#path = path;
    this.#handle = handle;
    this.#pace = pace;
    this.#memory = memory;
  }

  async read(into: Buffer, position: number): Promise<number> {
    let done = 0;
    while (done < into.length) {
      const { bytesRead } = await told(
        `read ${this.#path}`,
        this.#handle.read(into, done, into.length - done, position + done),
      );
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    return done;
  }

  write(parts: readonly Buffer[], position: number): Promise<void> {
    if (this.#memory === undefined) return this.#write(parts, position);
    return this.#memory.withCopyOf(parts, (pieces) => this.#write(pieces, position));
  }

  async #write(parts: readonly Buffer[], position: number): Promise<void> {
    // Every call waits for the drive, so one copy costs less than further calls.
    const buffers = parts.length > writeBuffersMax ? [Buffer.concat(parts)] : parts;
    let rest = withoutFirst(buffers, 0);
    let at = position;
    while (rest.length > 0) {
      const bytesWritten = await told(`write ${this.#path}`, this.#writeSome(rest, at));
      at += bytesWritten;
      rest = withoutFirst(rest, bytesWritten);
    }
    if (durableWrites === 0) await told(`sync ${this.#path}`, this.#handle.datasync());
  }

  /** Returns how many bytes were written: the system may stop early. */
  async #writeSome(parts: readonly Buffer[], position: number): Promise<number> {
    if (this.#mayBlock(parts)) {
      const beganMs = performance.now();
      const bytesWritten = writevSync(this.#handle.fd, parts, position);
      this.#pace?.waited(performance.now() - beganMs);
      return bytesWritten;
    }
    this.#writesElsewhere += 1;
    try {
      return (await this.#handle.writev(parts, position)).bytesWritten;
    } finally {
      this.#writesElsewhere -= 1;
    }
  }

  #mayBlock(parts: readonly Buffer[]): boolean {
    if (this.#pace === undefined || durableWrites === 0 || this.#writesElsewhere > 0) return false;
    let bytes = 0;
    for (const part of parts) bytes += part.length;
    return bytes <= shortWriteBytesMax && this.#pace.mayBlock();
  }

  async truncate(length: number): Promise<void> {
    await told(`truncate ${this.#path}`, this.#handle.truncate(length));
    await told(`sync ${this.#path}`, this.#handle.sync());
  }

  async length(): Promise<number> {
    return (await told(`stat ${this.#path}`, this.#handle.stat())).size;
  }

  close(): Promise<void> {
    return told(`close ${this.#path}`, this.#handle.close());
  }
}

/** What is left of `parts` behind their first `count` bytes; no part of it is empty. */
function withoutFirst(parts: readonly Buffer[], count: number): readonly Buffer[] {
  const rest: Buffer[] = [];
  let skip = count;
  for (const part of parts) {
    if (skip < part.length) rest.push(skip === 0 ? part : part.subarray(skip));
    skip = Math.max(0, skip - part.length);
  }
  return rest;
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await told(`open ${directory}`, open(directory, constants.O_RDONLY));
  try {
    await told(`sync ${directory}`, handle.sync());
  } finally {
    await handle.close();
  }
}

/**
 * An abstract Unix socket named after the directory's device and inode: the kernel drops it with
 * the process, however that ends. It is seen within one network namespace.
 */
async function lockBySocket(directory: string): Promise<{ release(): Promise<void> }> {
  const { dev, ino } = await told(`stat ${directory}`, stat(directory, { bigint: true }));
  const server = createServer((socket) => socket.destroy());
  try {
    await listen(server, `\0loglog-${dev}-${ino}`);
  } catch (error) {
    throw codeOf(error) === 'EADDRINUSE'
      ? inUse(directory)
      : toDiskError(`lock ${directory}`, error);
  }
  server.unref();
  return {
    release: () => new Promise((done) => server.close(() => done())),
  };
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((done, fail) => {
    server.once('error', fail);
    // Exclusive: workers of node:cluster would share the socket and each believe to hold it.
    server.listen({ path, exclusive: true }, () => {
      server.off('error', fail);
      done();
    });
  });
}

/**
 * A directory `<directory>.lock` whose time is renewed while the process lives; that of a killed
 * process is taken over after ten seconds. A holder that loses it ends with an uncaught error.
 */
async function lockByFile(directory: string): Promise<{ release(): Promise<void> }> {
  try {
    return { release: await lockfile.lock(directory) };
  } catch (error) {
    throw codeOf(error) === 'ELOCKED' ? inUse(directory) : toDiskError(`lock ${directory}`, error);
  }
}

function inUse(directory: string): LogLogError {
  return new LogLogError('DIRECTORY_IN_USE', `${directory} is in use by another process`);
}

/** The result of an operation, or its failure as a DiskError. */
async function told<T>(operation: string, result: Promise<T>): Promise<T> {
  try {
    return await result;
  } catch (error) {
    throw toDiskError(operation, error);
  }
}

async function unlessMissing<T>(operation: string, result: Promise<T>): Promise<T | undefined> {
  try {
    return await result;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw toDiskError(operation, error);
  }
}

function toDiskError(operation: string, error: unknown): DiskError {
  const code = codeOf(error);
  return new DiskError(code, `cannot ${operation}: ${code}`, error);
}

function codeOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : 'UNKNOWN';
}
