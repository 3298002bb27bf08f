import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { frameEntry } from '../../cli/frames.js';
import { entryBytesMax } from '../../proto/limits.js';
import { linesOf } from './command.js';
import { Shell } from './shell.js';
import { temporaryCluster, temporaryDirectory } from './temporary.js';

const cluster = await temporaryCluster(t, 3);
const shell = new Shell(cluster.addresses);

t.test('lines become entries, with an offset each, and tail gives them back', async (t) => {
  const offsets = await shell.append([], 'one\n\nthree');
  t.equal(offsets.length, 3);
  t.ok(offsets.every((offset, index) => index === 0 || offset > (offsets[index - 1] ?? 0)));
  t.same(await shell.lines('tail', '--from', String(offsets[0])), ['one', '', 'three']);
});

t.test('an offset is printed as soon as its entry is acknowledged', async (t) => {
  const child = shell.start(['append']);
  for (const line of ['first\n', 'second\n']) {
    child.stdin.write(line);
    t.match(await new Promise((resolve) => child.stdout.once('data', resolve)), /^\d+\n$/);
  }
  child.stdin.end();
  t.equal(await new Promise((resolve) => child.once('exit', resolve)), 0);
});

t.test('each framing keeps every byte', async (t) => {
  const entries = [randomBytes(1), Buffer.alloc(0), randomBytes(70_000)];
  const framed = Buffer.concat(entries.flatMap((entry) => frameEntry(entry, 'u32')));
  const [first] = await shell.append(['--frame', 'u32'], framed);
  const cat = await shell.done(['cat', '--frame', 'u32', '--from', String(first)]);
  t.ok(cat.stdout.equals(framed));

  const bytes = randomBytes(200_000);
  const whole = await shell.append(['--frame', 'whole'], bytes);
  t.equal(whole.length, 1);
  t.ok((await shell.bytesFrom(whole[0])).equals(bytes));

  const split = await shell.append(['--split', '64KiB'], bytes);
  t.equal(split.length, 4);
  t.ok((await shell.bytesFrom(split[0])).equals(bytes));
});

t.test('files are cut each on its own', async (t) => {
  const directory = await temporaryDirectory(t);
  const files = [join(directory, 'a'), join(directory, 'b')];
  await writeFile(files[0] ?? '', 'one\ntwo');
  await writeFile(files[1] ?? '', 'three\n');
  const [first] = await shell.append(files, '');
  t.same(await shell.lines('tail', '--from', String(first)), ['one', 'two', 'three']);
  const missing = await shell.refused(['append', join(directory, 'missing')]);
  t.equal(missing.status, 1);
  t.match(missing.stderr, /^error: ENOENT /);
});

t.test('--expect appends all or nothing, and exits with 6 on a conflict', async (t) => {
  const before = await shell.end();
  const appended = await shell.done(['append', '--json', '--expect', String(before)], 'a\nb\n');
  const acknowledged = linesOf(appended).map((line) => JSON.parse(line));
  const after = await shell.end();
  t.match(acknowledged, [
    { offset: Number, end: after },
    { offset: Number, end: after },
  ]);
  const conflict = await shell.refused(['append', '--json', '--expect', String(before)], 'c\n');
  t.equal(conflict.status, 6);
  t.equal(conflict.stdout, '');
  t.match(JSON.parse(conflict.stderr), {
    error: { code: 'CONDITION_FAILED', end: after, outcome: 'none' },
  });
  const ahead = await shell.refused(['append', '--expect', String(after + 1)], 'd\n');
  t.equal(ahead.status, 5, 'an expected end that may still come');
  t.match(ahead.stderr, /^error: CONDITION_AHEAD /);
  t.equal(await shell.end(), after);
});

t.test('an input without entries is refused', async (t) => {
  const framings = [[], ['--frame', 'whole'], ['--frame', 'u32'], ['--split', '1KiB']];
  const results = framings.map((args) => shell.refused(['append', ...args], ''));
  for (const { status, stderr } of await Promise.all(results)) {
    t.equal(status, 1);
    t.match(stderr, /^error: EMPTY_APPEND /);
  }
});

t.test('what came before a line over the limit stays appended, and is told', async (t) => {
  const input = Buffer.concat([Buffer.from('kept\n'), Buffer.alloc(entryBytesMax + 1, 'x')]);
  const { status, stdout, stderr } = await shell.refused(['append'], input);
  t.equal(status, 1);
  t.match(stderr, /^error: ENTRY_TOO_LARGE .*16777215/);
  t.match(stdout, /^\d+\n$/);
  t.equal((await shell.bytesFrom(Number(stdout))).toString(), 'kept');
});

t.test('what came before the place where a u32 input is cut short stays as well', async (t) => {
  const framed = Buffer.concat(frameEntry(Buffer.from('kept'), 'u32'));
  const input = Buffer.concat([framed, framed.subarray(0, 6)]);
  const { status, stdout, stderr } = await shell.refused(['append', '--frame', 'u32'], input);
  t.equal(status, 1);
  t.match(stderr, /^error: BAD_FRAMING /);
  t.equal((await shell.bytesFrom(Number(stdout))).toString(), 'kept');
});
