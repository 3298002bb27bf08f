import fc from 'fast-check';
import t from 'tap';
import type { Framing } from '../../cli/frames.js';
import { entriesOf, frameEntry } from '../../cli/frames.js';
import { entryBytesMax } from '../../proto/limits.js';

async function* inPieces(bytes: Buffer, sizes: readonly number[]): AsyncGenerator<Buffer, void> {
  let at = 0;
  for (const size of sizes) {
    yield bytes.subarray(at, at + size);
    at += size;
  }
  yield bytes.subarray(at);
}

async function cut(bytes: Buffer, framing: Framing, sizes: readonly number[] = []) {
  const entries: Buffer[] = [];
  for await (const entry of entriesOf(inPieces(bytes, sizes), framing)) entries.push(entry);
  return entries;
}

async function cutText(text: string, framing: Framing): Promise<string[]> {
  return (await cut(Buffer.from(text), framing)).map(String);
}

/** A stream longer than what may be held, which notices how much of it was asked for. */
function endless(chunk: Buffer) {
  const read = { bytes: 0 };
  async function* chunks(): AsyncGenerator<Buffer, void> {
    for (;;) {
      read.bytes += chunk.length;
      yield chunk;
    }
  }
  return { read, chunks: chunks() };
}

const anySizes = fc.array(fc.nat(20), { maxLength: 20 });
const anyEntries = fc
  .array(fc.uint8Array({ maxLength: 30 }))
  .map((entries) => entries.map((entry) => Buffer.from(entry)));

t.test('lines come out as they went in, wherever the chunks end', async () => {
  const line = fc
    .uint8Array({ maxLength: 30 })
    .map((bytes) => Buffer.from(bytes.filter((byte) => byte !== 0x0a)));
  await fc.assert(
    fc.asyncProperty(fc.array(line), anySizes, async (lines, sizes) => {
      const input = Buffer.concat(lines.flatMap((entry) => frameEntry(entry, 'line')));
      const entries = await cut(input, { type: 'line' }, sizes);
      return entries.length === lines.length && entries.every((e, i) => lines[i]?.equals(e));
    }),
  );
});

t.test('u32 frames come out as they went in, wherever the chunks end', async () => {
  await fc.assert(
    fc.asyncProperty(anyEntries, anySizes, async (expected, sizes) => {
      const input = Buffer.concat(expected.flatMap((entry) => frameEntry(entry, 'u32')));
      const entries = await cut(input, { type: 'u32' }, sizes);
      return entries.length === expected.length && entries.every((e, i) => expected[i]?.equals(e));
    }),
  );
});

t.test(
  'split gives pieces of one size, the last one excepted, that join to the input',
  async () => {
    const anyBytes = fc.uint8Array({ maxLength: 200 });
    await fc.assert(
      fc.asyncProperty(
        anyBytes,
        fc.integer({ min: 1, max: 50 }),
        anySizes,
        async (bytes, size, sizes) => {
          const entries = await cut(Buffer.from(bytes), { type: 'split', bytes: size }, sizes);
          const last = entries.at(-1);
          return (
            entries.slice(0, -1).every(({ length }) => length === size) &&
            (last === undefined || (last.length > 0 && last.length <= size)) &&
            Buffer.concat(entries).equals(bytes)
          );
        },
      ),
    );
  },
);

t.test('whole makes one entry of an input and none of an empty one', async (t) => {
  t.same(await cutText('a\nb\n', { type: 'whole' }), ['a\nb\n']);
  t.same(await cutText('', { type: 'whole' }), []);
});

t.test('a blank line is an entry; the last line needs no newline; \\r is kept', async (t) => {
  t.same(await cutText('a\n\nb\r\nc', { type: 'line' }), ['a', '', 'b\r', 'c']);
  t.same(await cutText('\n', { type: 'line' }), ['']);
  t.same(await cutText('', { type: 'line' }), []);
});

t.test(
  'a u32 input that is cut short is refused, and what came before it is not lost',
  async (t) => {
    const whole = Buffer.concat(frameEntry(Buffer.from('abc'), 'u32'));
    for (let length = 1; length < whole.length; length++) {
      const input = Buffer.concat([whole, whole.subarray(0, length)]);
      const entries = entriesOf(inPieces(input, []), { type: 'u32' });
      t.equal(String((await entries.next()).value), 'abc');
      await t.rejects(entries.next(), { code: 'BAD_FRAMING' }, `${length} bytes of a frame`);
    }
  },
);

t.test('u32 lengths are little-endian', async (t) => {
  t.same(Buffer.concat(frameEntry(Buffer.from('ab'), 'u32')), Buffer.of(2, 0, 0, 0, 97, 98));
});

t.test('an entry over the limit is refused before it is held', async (t) => {
  const refusal = { code: 'ENTRY_TOO_LARGE', limit: entryBytesMax };
  const chunk = Buffer.alloc(2 ** 20, 'x');
  for (const type of ['line', 'whole'] as const) {
    const { read, chunks } = endless(chunk);
    await t.rejects(entriesOf(chunks, { type }).next(), refusal, type);
    t.ok(read.bytes <= entryBytesMax + 2 * chunk.length, `${type} reads no further`);
  }
  const tooLong = Buffer.alloc(4);
  tooLong.writeUInt32LE(entryBytesMax + 1);
  await t.rejects(cut(tooLong, { type: 'u32' }), refusal);
  await t.rejects(cut(chunk, { type: 'split', bytes: entryBytesMax + 1 }), refusal);
});

t.test('an entry of exactly the limit is taken', async (t) => {
  const line = Buffer.alloc(entryBytesMax, 'x');
  const entries = await cut(Buffer.concat(frameEntry(line, 'line')), { type: 'line' }, [1000]);
  t.same(
    entries.map(({ length }) => length),
    [entryBytesMax],
  );
});
