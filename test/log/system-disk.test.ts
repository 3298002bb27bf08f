import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import t from 'tap';
import { blockBytes } from '../../server/log/disk.js';
import { systemDisk, systemDiskWith } from '../../server/log/system-disk.js';
import { shortWriteBytesMax, WritePace } from '../../server/log/write-pace.js';

const disk = systemDisk;
const moduleUrl = new URL('../../server/log/system-disk.js', import.meta.url).href;

/** Runs a script that has `disk` and `directory`, as another operating system if one is named. */
function child(t: Test, directory: string, script: string, platform?: string): ChildProcess {
  const pretend = `Object.defineProperty(process, 'platform', { value: '${platform}' });`;
  const source = `
    ${platform === undefined ? '' : pretend}
    const { systemDisk: disk } = await import('${moduleUrl}');
    const directory = ${JSON.stringify(directory)};
    ${script}`;
  const running = spawn(process.execPath, ['--input-type=module', '--eval', source], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => running.kill('SIGKILL'));
  return running;
}

const holdLock = `await disk.lock(directory); console.log('locked'); setInterval(() => {}, 1000);`;

for (const [name, disk] of [
  ['', systemDisk],
  [', on the main thread', systemDiskWith({ pace: new WritePace() })],
] as const) {
  t.test(`what is written in any number of parts is read back${name}`, async (t) => {
    const file = await disk.open(join(t.testdir(), 'file'), 'create');
    for (const count of [0, 1, 1024, 1025, 5000]) {
      const parts = Array.from({ length: count }, (_, i) => Buffer.alloc(i % 5, i % 251));
      const whole = Buffer.concat(parts);
      await file.write(parts, 7);
      const into = Buffer.alloc(whole.length);
      t.equal(await file.read(into, 7), whole.length);
      t.same(into, whole);
    }
    await file.close();
  });

  t.test(`whole blocks are read back by whoever opens the file${name}`, async (t) => {
    const path = join(t.testdir(), 'file');
    const file = await disk.open(path, 'create', 'blocks');
    for (const [blocks, at] of [
      [2, 0],
      [1, 1],
      [700, 3],
      [256, 300],
    ] as const) {
      const whole = Buffer.alloc(blocks * blockBytes, `${blocks} at ${at} `);
      const cuts = [0, 1, Math.floor(whole.length / 3), whole.length];
      const parts = cuts.slice(1).map((end, i) => whole.subarray(cuts[i], end));
      const expected = Buffer.from(whole);
      const writing = file.write(parts, at * blockBytes);
      // The memory that they come from is used again.
      whole.fill(0);
      await writing;
      const reader = await disk.open(path, 'read');
      const into = Buffer.alloc(expected.length);
      t.equal(await reader.read(into, at * blockBytes), expected.length);
      t.ok(into.equals(expected), `${blocks} blocks at ${at}`);
      await reader.close();
    }
    await file.close();
    t.equal(readFileSync(path).length, 703 * blockBytes);
  });

  t.test(
    `a full disk is told from a broken one${name}`,
    { skip: !existsSync('/dev/full') },
    async (t) => {
      const full = await disk.open('/dev/full', 'write');
      await t.rejects(full.write([Buffer.from('x')], 0), { code: 'ENOSPC', noSpace: true });
      await full.close();
      const broken = await disk.open(join(t.testdir({ file: '' }), 'file'), 'read');
      const error = { name: 'DiskError', code: 'EBADF', noSpace: false };
      await t.rejects(broken.write([Buffer.from('x')], 0), error);
      await broken.close();
    },
  );
}

const onLinux = process.platform === 'linux';
t.test(
  'the main thread waits for short writes, unless another thread is at one',
  { skip: !onLinux },
  async (t) => {
    const pace = { mayBlock: () => true, waited: () => undefined };
    const file = await systemDiskWith({ pace }).open(join(t.testdir(), 'file'), 'create');
    const inTurn = async (bytes: number) => {
      let turnIsOver = false;
      setImmediate(() => (turnIsOver = true));
      await file.write([Buffer.alloc(bytes)], 0);
      return !turnIsOver;
    };
    t.ok(await inTurn(shortWriteBytesMax));
    const long = inTurn(shortWriteBytesMax + 1);
    t.notOk(await inTurn(1));
    t.notOk(await long);
    t.ok(await inTurn(1));
    await file.close();
  },
);

t.test('a read at the end of a file says how much there was', async (t) => {
  const file = await disk.open(join(t.testdir({ file: 'abcdef' }), 'file'), 'read');
  const into = Buffer.alloc(10, '.');
  t.equal(await file.read(into, 4), 2);
  t.equal(into.toString(), 'ef........');
  t.equal(await file.read(into, 100), 0);
  await file.close();
});

t.test('a file is cut to a length', async (t) => {
  const path = join(t.testdir({ file: 'abcdef' }), 'file');
  const file = await disk.open(path, 'write');
  await file.truncate(3);
  t.equal(await file.length(), 3);
  t.equal(await disk.lengthOf(path), 3);
  await file.close();
  t.equal(readFileSync(path, 'utf8'), 'abc');
});

t.test('failures are disk errors with the code of the system', async (t) => {
  const directory = t.testdir({ file: '' });
  const error = (code: string) => ({ name: 'DiskError', code, noSpace: false });
  await t.rejects(disk.open(join(directory, 'none'), 'read'), error('ENOENT'));
  await t.rejects(disk.open(join(directory, 'none'), 'write'), error('ENOENT'));
  await t.rejects(disk.open(join(directory, 'file'), 'create'), error('EEXIST'));
  await t.rejects(disk.remove(join(directory, 'none')), error('ENOENT'));
  await t.rejects(disk.rename(join(directory, 'none'), join(directory, 'x')), error('ENOENT'));
  await t.rejects(disk.syncDirectory(join(directory, 'none')), error('ENOENT'));
  await t.rejects(disk.lock(join(directory, 'none')), error('ENOENT'));
  await t.rejects(disk.list(join(directory, 'file')), error('ENOTDIR'));
});

t.test('directories are made with their parents, listed, and emptied', async (t) => {
  const directory = join(t.testdir(), 'a', 'b');
  t.same(await disk.list(directory), []);
  await disk.makeDirectory(directory);
  await disk.makeDirectory(directory);
  for (const name of ['10', '9', 'x']) {
    await (await disk.open(join(directory, name), 'create')).close();
  }
  await disk.rename(join(directory, 'x'), join(directory, '1'));
  await disk.remove(join(directory, '9'));
  await disk.syncDirectory(directory);
  t.same(await disk.list(directory), ['1', '10']);
  t.equal(await disk.lengthOf(join(directory, '9')), undefined);
});

t.test('a directory has one holder at a time', async (t) => {
  const directory = t.testdir({ other: {} });
  const held = await disk.lock(directory);
  await t.rejects(disk.lock(directory), { code: 'DIRECTORY_IN_USE', message: directory });
  await (await disk.lock(join(directory, 'other'))).release();
  await held.release();
  await (await disk.lock(directory)).release();
});

t.test('a killed process leaves no lock behind', async (t) => {
  const directory = t.testdir();
  const holder = child(t, directory, holdLock);
  await once(holder.stdout as NodeJS.ReadableStream, 'data');
  await t.rejects(disk.lock(directory), { code: 'DIRECTORY_IN_USE', message: directory });
  holder.kill('SIGKILL');
  await once(holder, 'exit');
  await (await disk.lock(directory)).release();
});

t.test('a lock does not keep a process running', async (t) => {
  const [code] = await once(child(t, t.testdir(), 'await disk.lock(directory);'), 'exit');
  t.equal(code, 0);
});

t.test('blocks go through the cache of the system where there is no other way', async (t) => {
  const directory = t.testdir();
  const script = `
    const { systemDiskWith } = await import('${moduleUrl}');
    const cached = [];
    const other = systemDiskWith({ onCached: (path) => cached.push(path) });
    const file = await other.open(directory + '/file', 'create', 'blocks');
    await file.write([Buffer.alloc(${blockBytes}, 'x')], 0);
    await file.close();
    process.exitCode = cached.join() === directory + '/file' ? 0 : 1;`;
  const [code] = await once(child(t, directory, script, 'darwin'), 'exit');
  t.equal(code, 0);
  t.equal(readFileSync(join(directory, 'file'), 'utf8'), 'x'.repeat(blockBytes));
});

t.test('elsewhere than on Linux a file is the lock, and writes are synced', async (t) => {
  const directory = t.testdir({ data: {} });
  const data = join(directory, 'data');
  const script = `
    const held = await disk.lock(directory);
    const refused = await disk.lock(directory).catch((error) => error.code);
    await held.release();
    await (await disk.lock(directory)).release();
    const file = await disk.open(directory + '/file', 'create');
    await file.write([Buffer.from('abc'), Buffer.from('def')], 0);
    await file.close();
    process.exitCode = refused === 'DIRECTORY_IN_USE' ? 0 : 1;`;
  const [code] = await once(child(t, data, script, 'darwin'), 'exit');
  t.equal(code, 0);
  t.equal(readFileSync(join(data, 'file'), 'utf8'), 'abcdef');
});
