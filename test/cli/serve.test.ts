import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Test } from 'tap';
import t from 'tap';
import { freeBasePort, localHost } from '../../cli/ports.js';
import { mainFile } from '../../cli/processes.js';
import { createSlots } from '../../server/log/slots.js';
import { systemDisk } from '../../server/log/system-disk.js';
import { linesOf, Printed, resultOf, runCommand, startCommand } from './command.js';
import { Shell } from './shell.js';
import { temporaryDirectory } from './temporary.js';

const port = await freeBasePort(2);
const listen = `${localHost}:${port}`;
const elsewhere = `${localHost}:${port + 10}`;

const serve = (data: string, ...args: string[]) => [
  ...['serve', '--id', 'n1', '--data', data, '--listen', listen],
  ...args,
];

/** Serving; ended by the test or with it. */
async function started(t: Test, args: readonly string[]): Promise<ChildProcessWithoutNullStreams> {
  const child = startCommand(args);
  t.teardown(() => void child.kill('SIGKILL'));
  const serving = new Printed(child).match(/^n1 serves clients on 127\.0\.0\.1:\d+$/);
  const ended = once(child, 'exit').then(() => 'ended' as const);
  if ((await Promise.race([serving, ended])) === 'ended') throw new Error('the node ended');
  return child;
}

async function stop(child: ChildProcessWithoutNullStreams): Promise<number | null> {
  child.kill('SIGTERM');
  const [status] = await once(child, 'exit');
  return status as number | null;
}

/** The data directory of a node that has stopped, with some entries. */
async function stoppedNode(t: Test): Promise<string> {
  const data = await temporaryDirectory(t);
  const node = await started(t, serve(data, '--new-cluster', 'one'));
  await new Shell([listen]).append([], 'a\nb\nc\n');
  t.equal(await stop(node), 0);
  return data;
}

async function refused(t: Test, args: readonly string[], status: number, pattern: RegExp) {
  const result = await runCommand([...args, '--log-level', 'silent']);
  t.equal(result.status, status);
  t.match(result.stderr, pattern);
}

t.test('a node logs JSON, stops cleanly at a signal, and continues with its data', async (t) => {
  const data = await temporaryDirectory(t);
  const shell = new Shell([listen]);
  const first = await started(t, serve(data, '--new-cluster', 'one'));
  const result = resultOf(first);
  await shell.append([], 'kept\n');
  const signalled = performance.now();
  first.kill('SIGINT');
  const { status, stderr } = await result;
  t.equal(status, 0);
  t.ok(performance.now() - signalled < 5000);
  const records = stderr
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  t.match(records[0], { level: 'info', node: 'n1', time: String, msg: String });
  t.match(records.at(-1), { msg: 'stopped' });

  const second = await started(t, serve(data));
  t.same(await shell.lines('tail'), ['kept']);
  t.equal(await stop(second), 0);
});

t.test('verify finds a stopped node in order, and a flipped bit in it', async (t) => {
  const data = await stoppedNode(t);
  const good = await runCommand(['verify', data, '--json']);
  t.equal(good.status, 0);
  const report = JSON.parse(linesOf(good)[0] ?? '');
  t.match(report, { ok: true, nodeId: 'n1', entries: 3, problems: [] });
  const verify = await runCommand(['verify', data]);
  t.match(verify.stdout.toString(), /all is well/);

  const names = await readdir(join(data, 'log'));
  const segment = join(data, 'log', names[0] ?? '');
  const bytes = await readFile(segment);
  const at = 4096 + Math.floor(report.endOffset / 2);
  bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
  await writeFile(segment, bytes);
  const bad = await runCommand(['verify', data, '--json']);
  t.equal(bad.status, 1);
  const [problem] = JSON.parse(linesOf(bad)[0] ?? '').problems;
  t.match(problem, { file: join('log', names[0] ?? ''), offset: Number, reason: String });
  t.match(JSON.parse(bad.stderr), { error: { code: 'DATA_CORRUPT' } });
  await refused(t, serve(data), 1, /^error: DATA_CORRUPT .*segment, offset \d+/);
});

t.test('verify says when there is no such directory', async (t) => {
  await refused(t, ['verify', join(await temporaryDirectory(t), 'missing')], 2, /log-level/);
  const missing = await runCommand(['verify', join(await temporaryDirectory(t), 'missing')]);
  t.equal(missing.status, 1);
  t.match(missing.stderr, /^error: ENOENT /);
});

t.test('a port or a directory that another process has is refused', async (t) => {
  const data = await temporaryDirectory(t);
  await started(t, serve(data, '--new-cluster', 'one'));
  const other = ['--id', 'n1', '--listen', elsewhere];
  await refused(t, ['serve', '--data', data, ...other], 1, /^error: DIRECTORY_IN_USE /);
  const empty = await temporaryDirectory(t);
  const samePort = serve(empty, '--new-cluster', 'two');
  await refused(t, samePort, 1, new RegExp(`^error: ADDRESS_IN_USE .*:${port}`));
});

t.test(
  'a directory that is not this node’s, or not a directory of this cluster, is refused',
  async (t) => {
    const data = await stoppedNode(t);
    await refused(t, serve(data, '--new-cluster', 'two'), 1, /^error: DIRECTORY_NOT_EMPTY /);
    const asN2 = ['serve', '--id', 'n2', '--data', data, '--listen', listen];
    await refused(t, asN2, 7, /^error: WRONG_NODE /);
    const peers = [1, 2, 3].map((n) => `n${n}=${localHost}:${port + n}`).join(',');
    await refused(t, serve(data, '--peers', peers), 7, /^error: WRONG_CLUSTER /);
  },
);

t.test('a node that waits for others before it serves ends with its parent', async (t) => {
  const data = await temporaryDirectory(t);
  const peers = ['n1', 'n2', 'n3'].map((id, i) => `${id}=${localHost}:${port + 20 + i}`).join(',');
  const peerListen = `${localHost}:${port + 20}`;
  const args = serve(data, '--peer-listen', peerListen, '--peers', peers);
  const child = spawn(process.execPath, [mainFile, ...args], {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  t.teardown(() => void child.kill('SIGKILL'));
  const waits = new Promise<void>((resolve) => {
    child.stderr?.on('data', (text) => String(text).includes('no node is here yet') && resolve());
  });
  await waits;
  child.disconnect();
  const [status] = await once(child, 'exit');
  t.equal(status, 1);
});

t.test('an empty directory is refused unless a new cluster is wanted', async (t) => {
  const data = await temporaryDirectory(t);
  await refused(t, serve(data), 1, /^error: DIRECTORY_EMPTY /);
  t.same(await readdir(data), []);
});

t.test('a directory of a newer format is refused, and not touched', async (t) => {
  const data = await stoppedNode(t);
  const format = { fileName: 'identity', magic: 'LLid', version: 99 };
  await createSlots(systemDisk, data, format, { anything: 'else' });
  const newer = await readFile(join(data, 'identity'));
  await refused(t, serve(data), 1, /^error: FORMAT_UNKNOWN .*99/);
  t.ok((await readFile(join(data, 'identity'))).equals(newer));
});

t.test('a node list that does not name the node is refused', async (t) => {
  const data = await temporaryDirectory(t);
  const peers = `n2=${localHost}:${port + 1},n3=${localHost}:${port + 11}`;
  const args = serve(data, '--new-cluster', 'one', '--peers', peers);
  await refused(t, args, 2, /^error: CONFIG_INVALID .*n1/);
});
