import { randomBytes } from 'node:crypto';
import t from 'tap';
import { resultOf } from './command.js';
import { Shell } from './shell.js';
import { temporaryCluster } from './temporary.js';

const cluster = await temporaryCluster(t, 3);
const shell = new Shell(cluster.addresses);

t.test('tail --json has an offset, a time and the data in base64', async (t) => {
  const [offset] = await shell.append([], 'json\n');
  const [line = ''] = await shell.lines('tail', '--json', '--from', String(offset));
  const { time, ...rest } = JSON.parse(line);
  t.same(rest, { offset, data: Buffer.from('json').toString('base64') });
  t.ok(Math.abs(Date.parse(time) - Date.now()) < 60_000);
});

t.test('tail --limit gives that many, and --from end nothing of the past', async (t) => {
  const [from] = await shell.append([], 'a\nb\nc\n');
  t.same(await shell.lines('tail', '--from', String(from), '--limit', '2'), ['a', 'b']);
  t.same(await shell.lines('tail', '--from', 'end'), []);
});

t.test('tail --follow shows what is appended later, on the node asked for', async (t) => {
  const from = String(await shell.end());
  const args = ['tail', '--follow', '--from', from, '--limit', '2', '--node', 'n2'];
  const following = resultOf(shell.start(args));
  await shell.append([], 'first\n');
  await shell.append([], 'second\n');
  const { status, stdout } = await following;
  t.equal(status, 0);
  t.equal(stdout.toString(), 'first\nsecond\n');
});

t.test('every node gives the same bytes of a range', async (t) => {
  const offsets = await shell.append([], 'in\nside\nbeyond\n');
  const range = ['--from', String(offsets[0]), '--to', String(offsets[2])];
  const cats = ['n1', 'n2', 'n3'].map((node) =>
    shell.done(['cat', '--frame', 'line', '--node', node, ...range]),
  );
  for (const { stdout } of await Promise.all(cats)) t.equal(stdout.toString(), 'in\nside\n');
});

t.test('an offset beyond the end is refused', async (t) => {
  const beyond = String((await shell.end()) + 1_000_000);
  const tail = shell.refused(['tail', '--from', beyond]);
  const cat = shell.refused(['cat', '--to', beyond]);
  for (const { status, stderr } of await Promise.all([tail, cat])) {
    t.equal(status, 1);
    t.match(stderr, /^error: OFFSET_BEYOND_END /);
  }
});

t.test('an unknown node is refused', async (t) => {
  await shell.append([], 'something to read\n');
  const cat = shell.refused(['cat', '--node', 'n9']);
  const transfer = shell.refused(['transfer', 'n9']);
  for (const { status, stderr } of await Promise.all([cat, transfer])) {
    t.equal(status, 2);
    t.match(stderr, /^error: UNKNOWN_NODE /);
  }
});

t.test('a follower waits for more until its time is up, and exits with 4', async (t) => {
  const { status, stderr } = await shell.refused(['tail', '--follow', '--timeout', '700ms']);
  t.equal(status, 4);
  t.match(stderr, /^error: DEADLINE /);
});

t.test('a closed pipe is quiet', async (t) => {
  await shell.append(['--split', '1KiB'], randomBytes(2 ** 20));
  for (const args of [['cat'], ['tail', '--follow']]) {
    const child = shell.start(args);
    child.stdout.once('data', () => child.stdout.destroy());
    const { status, stderr } = await resultOf(child);
    t.equal(status, 0, args.join(' '));
    t.equal(stderr, '');
  }
});
