/** Flips and cuts bytes of the files of a node that does not run. */
import { open, readdir, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import type { RandomSource } from '../../../proto/clock.js';
import { between } from '../worker.js';
import { pick } from './fault.js';

export type DamageKind = 'flipped' | 'cut';

export interface Damage {
  /** Which file, and what has been done to it. */
  readonly what: string;
  /** Whether bytes of the log are gone that only other nodes can give back. */
  readonly mustBeRepaired: boolean;
}

const segmentName = /\.segment$/;

/** Each kind of file is equally likely, however many there are of it. */
const fileKinds: readonly RegExp[] = [
  segmentName,
  /\.index$/,
  /^checkpoint-\d+$/,
  /^truncation$/,
  /^hard-state$/,
  /^identity$/,
];

const flipsMax = 8;

/** Undefined if there is no file to damage. */
export async function damageFile(
  directory: string,
  kind: DamageKind,
  random: RandomSource,
): Promise<Damage | undefined> {
  const names = await readdir(directory, { recursive: true });
  const choices = fileKinds
    .map((pattern) => names.filter((name) => pattern.test(name.split('/').at(-1) ?? '')))
    .filter((files) => files.length > 0);
  if (choices.length === 0) return undefined;
  const name = pick(random, pick(random, choices));
  const path = join(directory, name);
  const { size } = await stat(path);
  if (size === 0) return undefined;
  const what =
    kind === 'cut' ? await cutFile(path, size, random) : await flipBits(path, size, random);
  // Behind the end of the last segment nothing has been written yet.
  const last = names
    .filter((other) => segmentName.test(other))
    .toSorted()
    .at(-1);
  return { what: `${name} ${what}`, mustBeRepaired: segmentName.test(name) && name !== last };
}

async function cutFile(path: string, size: number, random: RandomSource): Promise<string> {
  const bytes = between(random, 0, size);
  await truncate(path, bytes);
  return `is cut from ${size} to ${bytes} bytes`;
}

async function flipBits(path: string, size: number, random: RandomSource): Promise<string> {
  const count = between(random, 1, flipsMax + 1);
  // No place twice: the second flip could take the first one back.
  const positions = new Set(Array.from({ length: count }, () => between(random, 0, size)));
  const file = await open(path, 'r+');
  try {
    for (const position of positions) {
      const byte = Buffer.alloc(1);
      await file.read(byte, 0, 1, position);
      byte[0] = (byte[0] ?? 0) ^ (1 << between(random, 0, 8));
      await file.write(byte, 0, 1, position);
    }
  } finally {
    await file.close();
  }
  return `has flipped bits at ${[...positions].join(', ')}`;
}
