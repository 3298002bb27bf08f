import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Test } from 'tap';
import t from 'tap';
import { planNodes } from '../../cli/processes.js';
import { freeBasePort } from '../../cli/ports.js';
import { Printed, startCommand } from './command.js';
import { Shell } from './shell.js';
import { temporaryDirectory } from './temporary.js';

interface Dev {
  readonly child: ChildProcessWithoutNullStreams;
  readonly printed: Printed;
  /** By id. */
  readonly processIds: ReadonlyMap<string, number>;
  readonly leader: string;
}

/** With a leader, and everything printed. */
async function startDev(t: Test, data: string, port: number): Promise<Dev> {
  const child = startCommand(['dev', '--data', data, '--port', String(port)]);
  t.teardown(async () => {
    child.kill('SIGTERM');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  });
  const printed = new Printed(child);
  await printed.match(/Ctrl-C/);
  const [, leader = ''] = await printed.match(/^(n\d) leads, term \d+$/);
  const processIds = new Map<string, number>();
  for (const line of printed.lines) {
    const [, id, processId] = /^(n\d) serves clients on .*, process (\d+)/.exec(line) ?? [];
    if (id !== undefined) processIds.set(id, Number(processId));
  }
  return { child, printed, processIds, leader };
}

function isRunning(processId: number): boolean {
  try {
    process.kill(processId, 0);
    return true;
  } catch {
    return false;
  }
}

async function untilGone(processIds: Iterable<number>): Promise<void> {
  for (const processId of processIds) {
    while (isRunning(processId)) await sleep(50);
  }
}

const addressesAt = (port: number) => planNodes('', port, 3).map(({ address }) => address);

t.test('the leader is killed, appends go on, and the printed command brings it back', async (t) => {
  const data = await temporaryDirectory(t);
  const port = await freeBasePort(3);
  const shell = new Shell(addressesAt(port));
  const dev = await startDev(t, data, port);
  t.equal(dev.processIds.size, 3);
  await shell.append([], 'before\n');

  const killed = dev.printed.lines.length;
  process.kill(dev.processIds.get(dev.leader) ?? 0, 'SIGKILL');
  await shell.append([], 'after\n');
  await dev.printed.match(new RegExp(`^${dev.leader}, process \\d+, has ended: SIGKILL$`), killed);
  const [, newLeader] = await dev.printed.match(/^(n\d) leads now, term \d+$/, killed);
  t.not(newLeader, dev.leader);
  const [, command = ''] = await dev.printed.match(/^ {2}(\S.* serve .*)$/, killed);

  spawn(command, { shell: true, stdio: 'ignore' });
  const back = new RegExp(`^${dev.leader} is back, process (\\d+)$`);
  const processId = Number((await dev.printed.match(back, killed))[1]);
  t.teardown(async () => {
    process.kill(processId, 'SIGKILL');
    await untilGone([processId]);
  });
  for (const id of dev.processIds.keys()) {
    const cat = await shell.done(['cat', '--frame', 'line', '--node', id]);
    t.equal(cat.stdout.toString(), 'before\nafter\n', id);
  }
});

t.test(
  'dev stops its nodes within 5 s of a signal, and then continues with the data',
  async (t) => {
    const data = await temporaryDirectory(t);
    const port = await freeBasePort(3);
    const shell = new Shell(addressesAt(port));
    const first = await startDev(t, data, port);
    await shell.append([], 'kept\n');
    const signalled = performance.now();
    first.child.kill('SIGINT');
    const [status] = await once(first.child, 'exit');
    t.equal(status, 0);
    t.ok(performance.now() - signalled < 5000);
    t.notOk([...first.processIds.values()].some(isRunning));

    const second = await startDev(t, data, port);
    t.same(await shell.lines('tail'), ['kept']);
    second.child.kill('SIGKILL');
    await untilGone(second.processIds.values());
    t.pass('the nodes end when dev is killed');
  },
);
