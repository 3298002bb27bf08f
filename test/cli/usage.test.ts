import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import { linesOf, runCommand } from './command.js';
import { temporaryDirectory } from './temporary.js';

const wrong: readonly (readonly [string, readonly string[]])[] = [
  ['no command', []],
  ['an unknown command', ['nonsense']],
  ['an unknown flag', ['tail', '--backwards']],
  ['a flag without its value', ['tail', '--from']],
  ['a missing argument', ['verify']],
  ['an argument too many', ['end', 'now']],
  ['an offset that is negative', ['tail', '--from', '-1']],
  ['an offset that is no integer', ['cat', '--to', '1.5']],
  ['a limit of 0', ['tail', '--limit', '0']],
  ['a frame that does not exist', ['append', '--frame', 'json']],
  ['--split beside --frame', ['append', '--frame', 'u32', '--split', '1KiB']],
  ['a cluster without a port', ['end', '--cluster', 'localhost']],
  ['an even number of nodes', ['dev', '--nodes', '2']],
  ['serve without an id', ['serve', '--data', 'x', '--listen', '127.0.0.1:1']],
  ['serve with a bad port', ['serve', '--id', 'n1', '--data', 'x', '--listen', '127.0.0.1:70000']],
];
for (const [what, args] of wrong) {
  t.test(`${what} exits with 2, and says why`, async (t) => {
    const { status, stdout, stderr } = await runCommand(args);
    t.equal(status, 2);
    t.match(stderr, /^error: [A-Z_]+ ./m);
    t.equal(stdout.length, 0);
  });
}

t.test('help and version exit with 0', async (t) => {
  const help = await runCommand(['--help']);
  t.equal(help.status, 0);
  const names = 'dev serve append tail cat end status transfer verify bench'.split(' ');
  for (const name of names) t.match(help.stdout.toString(), new RegExp(`^  ${name} `, 'm'));
  const helps = await Promise.all(names.map((name) => runCommand([name, '--help'])));
  t.ok(helps.every(({ status }) => status === 0));
  t.match(linesOf(await runCommand(['--version'])), [/^\d+\.\d+\.\d+/]);
});

t.test('errors are one line of JSON with --json', async (t) => {
  const { stderr } = await runCommand(['tail', '--limit', '0', '--json']);
  t.match(JSON.parse(stderr), { error: { code: 'LIMIT_INVALID', outcome: 'none' } });
});

t.test('where nothing listens the exit status is 3, within the timeout', async (t) => {
  const started = performance.now();
  for (const command of ['end', 'tail', 'status']) {
    const args = [command, '--cluster', '127.0.0.1:1', '--timeout', '500ms'];
    const { status, stderr } = await runCommand(args);
    t.equal(status, 3, command);
    t.match(stderr, /error: UNAVAILABLE .*127\.0\.0\.1:1/);
  }
  const { status } = await runCommand(['append', '--timeout', '500ms'], {
    input: 'x\n',
    cluster: ['127.0.0.1:1'],
  });
  t.equal(status, 3, 'append, through LOGLOG_CLUSTER');
  t.ok(performance.now() - started < 20_000);
});

t.test('a cluster of something else is unavailable as well', async (t) => {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.end('220 some other service\r\n');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const { status } = await runCommand(['end', '--cluster', address, '--timeout', '500ms']);
  t.equal(status, 3);
});

t.test('dev refuses a port that is in use', async (t) => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  const data = await temporaryDirectory(t);
  const { status, stderr } = await runCommand(['dev', '--data', data, '--port', String(port)]);
  t.equal(status, 1);
  t.match(stderr, new RegExp(`error: ADDRESS_IN_USE .*:${port}`));
});
