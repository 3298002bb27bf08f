import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { frameEntry } from '../../cli/frames.js';
import { entryBytesMax } from '../../proto/limits.js';
import type { CommandResult } from './command.js';
import { linesOf, resultOf, runCommand, startCommand } from './command.js';
import { temporaryCluster, temporaryDirectory } from './temporary.js';

const local = await temporaryCluster(t, 3);
const cluster = local.addresses;

/** Runs against the cluster; fails the test unless it is done. */
async function done(args: readonly string[], input?: string | Buffer): Promise<CommandResult> {
  const result = await runCommand(args, { cluster, ...(input !== undefined && { input }) });
  if (result.status !== 0) throw new Error(`${args.join(' ')}: ${result.stderr}`);
  return result;
}

const append = async (args: readonly string[], input: string | Buffer) =>
  linesOf(await done(['append', ...args], input)).map(Number);

const end = async () => Number(linesOf(await done(['end']))[0]);

/** What was appended from `from` on, byte for byte. */
const bytesFrom = async (from: number) => (await done(['cat', '--from', String(from)])).stdout;

async function refused(args: readonly string[], input?: string | Buffer) {
  const result = await runCommand(args, { cluster, ...(input !== undefined && { input }) });
  return { ...result, stdout: result.stdout.toString() };
}

t.test('lines become entries, an offset each, and tail gives them back', async (t) => {
  const offsets = await append([], 'one\n\nthree');
  t.equal(offsets.length, 3);
  t.same(
    offsets.toSorted((a, b) => a - b),
    offsets,
  );
  const tail = await done(['tail', '--from', String(offsets[0])]);
  t.same(linesOf(tail), ['one', '', 'three']);
});

t.test('tail --json has an offset, a time and the data in base64', async (t) => {
  const [offset] = await append([], 'json\n');
  const lines = linesOf(await done(['tail', '--json', '--from', String(offset)]));
  const entries = lines.map((line) => JSON.parse(line));
  t.same(entries, [
    { offset, time: entries[0].time, data: Buffer.from('json').toString('base64') },
  ]);
  t.ok(Math.abs(Date.parse(entries[0].time) - Date.now()) < 60_000);
});

t.test('tail --limit gives that many, and --from end none of the past', async (t) => {
  const offsets = await append([], 'a\nb\nc\n');
  const from = ['--from', String(offsets[0])];
  t.same(linesOf(await done(['tail', ...from, '--limit', '2'])), ['a', 'b']);
  t.same(linesOf(await done(['tail', '--from', 'end'])), []);
});

t.test('tail --follow shows what is appended later, on the node asked for', async (t) => {
  const from = String(await end());
  const tail = startCommand(['tail', '--follow', '--from', from, '--limit', '2', '--node', 'n2'], {
    cluster,
  });
  const result = resultOf(tail);
  await append([], 'first\n');
  await append([], 'second\n');
  const { status, stdout } = await result;
  t.equal(status, 0);
  t.equal(stdout.toString(), 'first\nsecond\n');
});

t.test('each framing keeps every byte', async (t) => {
  const entries = [randomBytes(1), Buffer.alloc(0), randomBytes(70_000)];
  const framed = Buffer.concat(entries.flatMap((entry) => frameEntry(entry, 'u32')));
  const [first] = await append(['--frame', 'u32'], framed);
  t.ok((await done(['cat', '--frame', 'u32', '--from', String(first)])).stdout.equals(framed));

  const bytes = randomBytes(200_000);
  const whole = await append(['--frame', 'whole'], bytes);
  t.equal(whole.length, 1);
  t.ok((await bytesFrom(whole[0] ?? 0)).equals(bytes));

  const split = await append(['--split', '64KiB'], bytes);
  t.equal(split.length, 4);
  t.ok((await bytesFrom(split[0] ?? 0)).equals(bytes));
});

t.test('every node gives the same bytes, within a range', async (t) => {
  const offsets = await append([], 'in\nside\nbeyond\n');
  const range = ['--from', String(offsets[0]), '--to', String(offsets[2])];
  for (const node of ['n1', 'n2', 'n3']) {
    const cat = await done(['cat', '--frame', 'line', '--node', node, ...range]);
    t.equal(cat.stdout.toString(), 'in\nside\n', node);
  }
});

t.test('files are cut each on its own', async (t) => {
  const directory = await temporaryDirectory(t);
  const files = [join(directory, 'a'), join(directory, 'b')];
  await writeFile(files[0] ?? '', 'one\ntwo');
  await writeFile(files[1] ?? '', 'three\n');
  const offsets = await append(files, '');
  t.same(linesOf(await done(['tail', '--from', String(offsets[0])])), ['one', 'two', 'three']);
  const missing = await refused(['append', join(directory, 'missing')]);
  t.equal(missing.status, 1);
  t.match(missing.stderr, /^error: ENOENT /);
});

t.test('--expect appends all or nothing, and exits with 6 on a conflict', async (t) => {
  const before = await end();
  const lines = linesOf(await done(['append', '--json', '--expect', String(before)], 'a\nb\n'));
  const acknowledged = lines.map((line) => JSON.parse(line));
  t.equal(acknowledged.length, 2);
  t.same(acknowledged[1].end, await end(), 'the end is what the next --expect wants');
  const conflict = await refused(['append', '--json', '--expect', String(before)], 'c\n');
  t.equal(conflict.status, 6);
  t.equal(conflict.stdout, '');
  t.match(JSON.parse(conflict.stderr), {
    error: { code: 'CONDITION_FAILED', end: await end(), outcome: 'none' },
  });
  const ahead = await refused(['append', '--expect', String((await end()) + 1)], 'd\n');
  t.equal(ahead.status, 5, 'an expected end that is not there yet');
});

t.test('an input without entries is refused', async (t) => {
  for (const args of [[], ['--frame', 'whole'], ['--frame', 'u32'], ['--split', '1KiB']]) {
    const { status, stderr } = await refused(['append', ...args], '');
    t.equal(status, 1);
    t.match(stderr, /^error: EMPTY_APPEND /);
  }
});

t.test('what came before a line over the limit stays appended, and is told', async (t) => {
  const before = await end();
  const input = Buffer.concat([Buffer.from('kept\n'), Buffer.alloc(entryBytesMax + 1, 'x')]);
  const { status, stdout, stderr } = await refused(['append'], input);
  t.equal(status, 1);
  t.match(stderr, /^error: ENTRY_TOO_LARGE .*16777215/);
  t.match(stdout, /^\d+\n$/);
  t.equal((await bytesFrom(before)).toString(), 'kept');
});

t.test('a u32 input cut short is refused, and what came before it stays', async (t) => {
  const before = await end();
  const framed = Buffer.concat(frameEntry(Buffer.from('kept'), 'u32'));
  const input = Buffer.concat([framed, framed.subarray(0, 6)]);
  const { status, stderr } = await refused(['append', '--frame', 'u32'], input);
  t.equal(status, 1);
  t.match(stderr, /^error: BAD_FRAMING /);
  t.equal((await bytesFrom(before)).toString(), 'kept');
});

t.test('an offset beyond the end is refused', async (t) => {
  const beyond = String((await end()) + 1_000_000);
  for (const args of [
    ['tail', '--from', beyond],
    ['cat', '--to', beyond],
  ]) {
    const { status, stderr } = await refused(args);
    t.equal(status, 1);
    t.match(stderr, /^error: OFFSET_BEYOND_END /);
  }
});

t.test('an unknown node is refused', async (t) => {
  for (const args of [
    ['cat', '--node', 'n9'],
    ['transfer', 'n9'],
  ]) {
    const { status, stderr } = await refused(args);
    t.equal(status, 2);
    t.match(stderr, /^error: UNKNOWN_NODE /);
  }
});

t.test('a follower waits for more until its time is up, and exits with 4', async (t) => {
  const { status, stderr } = await refused(['tail', '--follow', '--timeout', '700ms']);
  t.equal(status, 4);
  t.match(stderr, /^error: DEADLINE /);
});

t.test('a closed pipe is quiet', async (t) => {
  await append(['--split', '1KiB'], randomBytes(2 ** 20));
  for (const args of [['cat'], ['tail', '--follow']]) {
    const child = startCommand(args, { cluster });
    child.stdout.once('data', () => child.stdout.destroy());
    child.stdout.on('error', () => {});
    const stderr: Buffer[] = [];
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
    const status = await new Promise((resolve) => child.once('exit', resolve));
    t.equal(status, 0, args.join(' '));
    t.equal(Buffer.concat(stderr).toString(), '');
  }
});

t.test(
  'transfer makes the node named the leader; status says who leads, in stable names',
  async (t) => {
    for (const id of ['n1', 'n3']) {
      const transfer = JSON.parse(linesOf(await done(['transfer', id, '--json']))[0] ?? '');
      t.equal(transfer.leader, id);
      const status = JSON.parse(linesOf(await done(['status', '--json']))[0] ?? '');
      t.match(status, { clusterId: /^[0-9a-f]{64}$/, leader: id, term: transfer.term });
      t.same(
        status.nodes.map((node: { id: string }) => node.id),
        ['n1', 'n2', 'n3'],
      );
      for (const node of status.nodes) {
        const number = Number.isSafeInteger;
        t.match(node, {
          address: local.nodes.find((plan) => plan.id === node.id)?.address,
          pid: local.processes.get(node.id)?.processId,
          reachable: true,
          role: node.id === id ? 'leader' : 'follower',
          term: transfer.term,
          firstOffset: 0,
          durableOffset: number,
          commitOffset: number,
          chain: /^[0-9a-f]{32}$/,
          staged: {
            matchedBatches: number,
            matchedBytes: number,
            inlinedBatches: number,
            inlinedBytes: number,
            missing: number,
            mismatched: number,
            expired: number,
          },
        });
      }
    }
    t.match((await done(['status'])).stdout.toString(), /n3 leads/);
  },
);

t.test('without a majority nothing is appended and nothing is answered, in time', async (t) => {
  const [id = ''] = local.processes.keys();
  for (const node of local.processes.values()) {
    if (node.plan.id !== id) node.signal('SIGKILL');
  }
  for (const args of [['end'], ['cat'], ['append']]) {
    const { status, stderr } = await refused([...args, '--timeout', '1s'], 'lost?\n');
    t.ok(status === 4 || (args[0] === 'append' && status === 5), `${args[0]}: ${status} ${stderr}`);
  }
  const status = JSON.parse(linesOf(await done(['status', '--json']))[0] ?? '');
  t.same(
    status.nodes.map((node: { reachable: boolean }) => node.reachable),
    [true, false, false],
  );
  t.match(status.nodes[1], { id: 'n2', pid: null, role: null, chain: null, error: String });
});
