import { Writable } from 'node:stream';
import t from 'tap';
import { colour, Output } from '../../cli/output.js';

/** Takes each write only when told to. */
class SlowReader extends Writable {
  readonly taken: Buffer[] = [];
  readonly #waiting: (() => void)[] = [];

  override _write(chunk: Buffer, _encoding: string, callback: () => void): void {
    this.taken.push(chunk);
    this.#waiting.push(callback);
  }

  take(): void {
    this.#waiting.shift()?.();
  }
}

const failing = (code: string) =>
  new Writable({
    write(_chunk, _encoding, callback) {
      callback(Object.assign(new Error(`write ${code}`), { code }));
    },
  });

t.test('what is written comes out in order', async (t) => {
  const chunks: Buffer[] = [];
  const output = new Output(
    new Writable({
      write(chunk: Buffer, _encoding, callback) {
        chunks.push(chunk);
        callback();
      },
    }),
  );
  let expected = '';
  for (let index = 0; index < 20_000; index++) {
    await output.line(`line ${index}`);
    expected += `line ${index}\n`;
  }
  await output.flush();
  t.equal(Buffer.concat(chunks).toString(), expected);
  t.ok(chunks.length < 100, 'and in few writes');
});

t.test('a reader that takes nothing holds the writer back', async (t) => {
  const reader = new SlowReader();
  const output = new Output(reader);
  let written = false;
  const writing = output.write(Buffer.alloc(100_000)).then(() => {
    written = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  t.equal(written, false);
  reader.take();
  await writing;
  t.equal(written, true);
});

t.test('a line is written without waiting for the next one', async (t) => {
  const reader = new SlowReader();
  const output = new Output(reader);
  await output.line('alone');
  await new Promise((resolve) => setImmediate(resolve));
  t.equal(Buffer.concat(reader.taken).toString(), 'alone\n');
});

t.test('a closed pipe is no error, and is noticed', async (t) => {
  const output = new Output(failing('EPIPE'));
  await output.line('anybody?');
  await output.flush();
  t.equal(output.closed, true);
  await output.line('nobody');
  await output.flush();
});

t.test('any other failure is thrown', async (t) => {
  const output = new Output(failing('ENOSPC'));
  await output.line('too much');
  await t.rejects(output.flush(), { code: 'ENOSPC' });
});

t.test('colours are for terminals, and not where NO_COLOR is set', async (t) => {
  const before = process.env['NO_COLOR'];
  t.teardown(() => {
    if (before === undefined) delete process.env['NO_COLOR'];
    else process.env['NO_COLOR'] = before;
  });
  delete process.env['NO_COLOR'];
  t.equal(colour({ isTTY: false }, 'red', 'x'), 'x');
  t.not(colour({ isTTY: true }, 'red', 'x'), 'x');
  process.env['NO_COLOR'] = '1';
  t.equal(colour({ isTTY: true }, 'red', 'x'), 'x');
});
