/**
 * Files `checkpoint-<offset>`, each what the log says up to an offset. A checkpoint is a cache of
 * the log: it saves reading what is before it, and without any the log is read from its start.
 */
import { join } from 'node:path';
import { LogLogError } from '../../proto/errors.js';
import type { Disk } from './disk.js';
import { encodeEnvelope, readEnvelope, replaceFile } from './envelope.js';

export interface Checkpoint {
  readonly offset: number;
  readonly value: unknown;
}

const format = { kind: 'checkpoint', version: 2 } as const;
const namePattern = /^checkpoint-(\d{16})$/;

/** The same for every offset, or each crash could leave one more behind. */
const unfinishedName = 'checkpoint.unfinished';

/** The newest one may be lost to rot: the one before is kept too. */
const checkpointsKept = 2;

/** `value` is JSON. Older checkpoints than the newest two are removed. */
export async function saveCheckpoint(
  disk: Disk,
  directory: string,
  offset: number,
  value: unknown,
): Promise<void> {
  const bytes = encodeEnvelope(format, { offset, value });
  await replaceFile(disk, directory, nameOf(offset), bytes, unfinishedName);
  for (const old of (await newestFirst(disk, directory)).slice(checkpointsKept)) {
    await disk.remove(join(directory, nameOf(old)));
  }
}

/** The newest one that is whole; undefined if there is none. Throws DiskError. */
export async function loadCheckpoint(
  disk: Disk,
  directory: string,
): Promise<Checkpoint | undefined> {
  for (const offset of await newestFirst(disk, directory)) {
    const value = await unlessBad(readEnvelope(disk, join(directory, nameOf(offset)), format));
    if (isCheckpoint(value) && value.offset === offset) return value;
  }
  return undefined;
}

/** Forgets the checkpoints of what lies behind `offset`, durably: the log is to end there. */
export async function dropCheckpointsBehind(
  disk: Disk,
  directory: string,
  offset: number,
): Promise<void> {
  for (const behind of await newestFirst(disk, directory)) {
    if (behind > offset) await disk.remove(join(directory, nameOf(behind)));
  }
  await disk.syncDirectory(directory);
}

async function newestFirst(disk: Disk, directory: string): Promise<number[]> {
  const names = await disk.list(directory);
  const offsets = names.flatMap((name) => {
    const offset = Number(namePattern.exec(name)?.[1]);
    return Number.isSafeInteger(offset) ? [offset] : [];
  });
  return offsets.toSorted((a, b) => b - a);
}

function nameOf(offset: number): string {
  return `checkpoint-${String(offset).padStart(16, '0')}`;
}

async function unlessBad(content: Promise<unknown>): Promise<unknown> {
  try {
    return await content;
  } catch (error) {
    const bad =
      error instanceof LogLogError &&
      (error.code === 'DATA_CORRUPT' || error.code === 'FORMAT_UNKNOWN');
    if (bad) return undefined;
    throw error;
  }
}

function isCheckpoint(value: unknown): value is Checkpoint {
  return typeof value === 'object' && value !== null && 'offset' in value && 'value' in value;
}
