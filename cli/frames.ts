/**
 * How a stream of bytes is cut into entries, and how entries are put back into one. What is held
 * at a time is one entry and one chunk.
 */
import { LogLogError } from '../proto/errors.js';
import { entryBytesMax } from '../proto/limits.js';
import { ByteQueue } from './byte-queue.js';

/** `u32` is a length of four bytes, little-endian, in front of each entry. */
export const inputFrames = ['line', 'whole', 'u32'] as const;
export const outputFrames = ['none', 'line', 'u32'] as const;
export type OutputFrame = (typeof outputFrames)[number];

export type Framing =
  | { readonly type: (typeof inputFrames)[number] }
  | { readonly type: 'split'; readonly bytes: number };

type Chunks = AsyncIterable<Buffer>;

const newline = 0x0a;
const u32Bytes = 4;

/** The entries of one input. Throws ENTRY_TOO_LARGE, and BAD_FRAMING for a u32 input cut short. */
export function entriesOf(chunks: Chunks, framing: Framing): AsyncGenerator<Buffer, void> {
  switch (framing.type) {
    case 'line':
      return lines(chunks);
    case 'whole':
      return whole(chunks);
    case 'u32':
      return lengthPrefixed(chunks);
    case 'split':
      return pieces(chunks, framing.bytes);
  }
}

/** What goes in front of an entry and behind it on the way out. */
export function frameEntry(entry: Buffer, frame: OutputFrame): Buffer[] {
  switch (frame) {
    case 'none':
      return [entry];
    case 'line':
      return [entry, Buffer.of(newline)];
    case 'u32': {
      const length = Buffer.alloc(u32Bytes);
      length.writeUInt32LE(entry.length);
      return [length, entry];
    }
  }
}

/** Without their newlines; the last one needs none. A blank line is an empty entry. */
async function* lines(chunks: Chunks): AsyncGenerator<Buffer, void> {
  const line = new ByteQueue();
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(newline); end !== -1; end = chunk.indexOf(newline, start)) {
      line.push(chunk.subarray(start, end));
      checkLength(line.length);
      yield line.take(line.length);
      start = end + 1;
    }
    line.push(chunk.subarray(start));
    checkLength(line.length);
  }
  if (line.length > 0) yield line.take(line.length);
}

/** One entry; none of an empty input. */
async function* whole(chunks: Chunks): AsyncGenerator<Buffer, void> {
  const bytes = new ByteQueue();
  for await (const chunk of chunks) {
    bytes.push(chunk);
    checkLength(bytes.length);
  }
  if (bytes.length > 0) yield bytes.take(bytes.length);
}

async function* lengthPrefixed(chunks: Chunks): AsyncGenerator<Buffer, void> {
  const bytes = new ByteQueue();
  let length: number | undefined;
  for await (const chunk of chunks) {
    bytes.push(chunk);
    while (bytes.length >= (length ?? u32Bytes)) {
      if (length === undefined) {
        length = bytes.take(u32Bytes).readUInt32LE();
        checkLength(length);
      } else {
        yield bytes.take(length);
        length = undefined;
      }
    }
  }
  if (length !== undefined || bytes.length > 0) {
    const missing = length === undefined ? 'a length' : `an entry of ${length} bytes`;
    throw new LogLogError('BAD_FRAMING', `the input ends in the middle of ${missing}`);
  }
}

/** Entries of `size` bytes; the last one may be shorter. */
async function* pieces(chunks: Chunks, size: number): AsyncGenerator<Buffer, void> {
  checkLength(size);
  const bytes = new ByteQueue();
  for await (const chunk of chunks) {
    bytes.push(chunk);
    while (bytes.length >= size) yield bytes.take(size);
  }
  if (bytes.length > 0) yield bytes.take(bytes.length);
}

function checkLength(bytes: number): void {
  if (bytes <= entryBytesMax) return;
  throw new LogLogError('ENTRY_TOO_LARGE', `an entry has at most ${entryBytesMax} bytes`, {
    limit: entryBytesMax,
  });
}
