import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream, existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import t from 'tap';
import { mainFile } from '../../cli/processes.js';
import { linesOf, Printed, resultOf } from './command.js';
import { Shell } from './shell.js';
import { temporaryDirectory } from './temporary.js';

const startFile = join(dirname(mainFile), 'start.js');

t.test('npm start shows a cluster at work, on free ports if need be, until Ctrl-C', async (t) => {
  const occupant = createServer();
  occupant.once('error', () => t.comment('port 7600 is taken already, which does as well'));
  occupant.listen(7600, '127.0.0.1');
  t.teardown(() => occupant.close());
  const child = spawn(process.execPath, [startFile], { cwd: await temporaryDirectory(t) });
  t.teardown(() => void child.kill('SIGKILL'));
  const printed = new Printed(child);
  const [, directory = ''] = await printed.match(
    /^port \d+ is taken: .* and (\/\S+) until the end$/,
  );
  const [, address = ''] = await printed.match(/^n2 serves clients on (127\.0\.0\.1:\d+), /);
  await printed.match(/Ctrl-C/);
  t.equal(printed.lines.filter((line) => line.startsWith('appended ')).length, 3);
  t.equal(printed.lines.filter((line) => line.startsWith('read ')).length, 3);
  t.equal((await new Shell([address]).lines('tail')).length, 3);
  child.kill('SIGINT');
  t.equal((await once(child, 'exit'))[0], 0);
  t.equal(existsSync(directory), false, 'what was temporary is gone');
});

t.test('the demonstration ends with the same file on every node', async (t) => {
  const child = spawn(process.execPath, [startFile, '--demo']);
  t.teardown(() => void child.kill('SIGTERM'));
  const result = await resultOf(child);
  t.equal(result.status, 0, result.stderr);
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(process.execPath)) hash.update(chunk as Buffer);
  const sha256 = hash.digest('hex');
  const summary = JSON.parse(linesOf(result).at(-1) ?? '');
  t.match(summary, { entries: Number, resumedAfterMs: Number });
  t.same(summary.sha256, { n1: sha256, n2: sha256, n3: sha256 });
  const fraction = summary.acknowledgedAtKill / summary.bytes;
  t.ok(fraction >= 0.3 && fraction <= 0.7, `${fraction} were acknowledged at the kill`);
});
