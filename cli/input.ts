/** What a command reads: files one behind the other, or standard input. */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';

const chunkBytes = 2 ** 20;

/** Yields buffers that nobody writes to again. */
export async function* chunksOf(file: string | undefined): AsyncGenerator<Buffer, void> {
  const stream: Readable =
    file === undefined ? process.stdin : createReadStream(file, { highWaterMark: chunkBytes });
  for await (const chunk of stream) yield chunk as Buffer;
}

/** Bytes of all the files, or undefined if that cannot be known beforehand. */
export async function lengthOf(files: readonly string[]): Promise<number | undefined> {
  if (files.length === 0) return undefined;
  const stats = await Promise.all(files.map((file) => stat(file)));
  return stats.every((one) => one.isFile())
    ? stats.reduce((sum, one) => sum + one.size, 0)
    : undefined;
}
