import t from 'tap';
import { existsSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from '../../index.js';
import { linesOf, resultOf, runCommand, startCommand } from './command.js';
import { temporaryCluster, temporaryDirectory } from './temporary.js';

// What the commands leave behind can't be anybody else's there.
process.env['TMPDIR'] = await temporaryDirectory(t);

const latency = { p50: Number, p90: Number, p99: Number, p999: Number, max: Number };

function benchDirectories(): string[] {
  return readdirSync(tmpdir()).filter((name) => name.startsWith('loglog-bench-'));
}

/** The report of a benchmark that is done. */
async function reportOf(args: readonly string[], cluster?: readonly string[]) {
  const options = cluster === undefined ? {} : { cluster };
  const result = await runCommand(['bench', ...args, '--json'], options);
  if (result.status !== 0) throw new Error(`${args.join(' ')}: ${result.stderr}`);
  const lines = linesOf(result);
  t.equal(lines.length, 1, 'one line');
  t.equal(result.stderr, '', 'and nothing else');
  return JSON.parse(lines[0] ?? '');
}

t.test('against a running cluster', async (t) => {
  const cluster = await temporaryCluster(t, 3);
  const { addresses } = cluster;

  await t.test('append says what it took, and has read all of it back', async (t) => {
    const args = ['append', '--seconds', '4', '--size', '100', '--concurrency', '16'];
    const { check, nodes, batches, ...report } = await reportOf(args, addresses);
    t.match(report, {
      ...{ bench: 'append', entryBytes: 100, concurrency: 16, seconds: 4 },
      ...{ entries: Number, entriesPerSecond: Number, megabytesPerSecond: Number },
      latencyMs: latency,
    });
    t.ok(report.entries > 0);
    t.equal(report.bytes, 100 * report.entries);
    t.ok(check.appended >= report.entries);
    const { appended } = check;
    t.same(check, { appended, found: appended, breaks: 0, offsetsAgree: true, ok: true });
    t.same(
      nodes.map(({ id }: { id: string }) => id),
      ['n1', 'n2', 'n3'],
    );
    for (const node of nodes) {
      t.match(node, { role: String, stagedBatches: Number, inlinedBatches: Number });
      t.ok(node.cores > 0 && node.residentBytes > 2 ** 20, node.id);
    }
    t.ok(batches.staged + batches.inlined > 0, 'the followers had their batches from somewhere');
  });

  await t.test('append as fast as it goes, of entries smaller than any counter', async (t) => {
    const args = ['append', '--seconds', '1', '--size', '1', '--concurrency', 'max'];
    const { check, ...report } = await reportOf(args, addresses);
    t.match(report, { concurrency: 'max', entryBytes: 1 });
    t.ok(check.appended > 256, 'more than one byte counts');
    t.match(check, { found: check.appended, ok: true });
  });

  await t.test('tail reads from a node that does not lead', async (t) => {
    const args = ['tail', '--seconds', '4', '--rate', '50'];
    const report = await reportOf(args, addresses);
    t.match(report, {
      ...{ bench: 'tail', rate: 50, check: { ok: true } },
      ...{ fromCallMs: latency, fromAcknowledgementMs: latency },
    });
    // Some are seen sooner than others, so that one more may fall into the time.
    t.ok(report.entries > 0 && report.entries <= 220);
    const { role } = report.nodes.find(({ id }: { id: string }) => id === report.node);
    t.equal(role, 'follower');
  });

  await t.test('what is there beyond that fails it, with exit status 1', async (t) => {
    const client = await connect(addresses);
    t.teardown(() => client.close());
    const args = ['bench', 'append', '--size', '1', '--seconds', '1', '--json'];
    const child = startCommand(args, { cluster: addresses });
    const result = resultOf(child);
    // Nobody can tell entries of one byte from those of somebody else.
    while (child.exitCode === null) await client.append('x');
    const { status, stdout, stderr } = await result;
    t.equal(status, 1);
    t.match(JSON.parse(stdout.toString()), { entries: Number, check: { ok: false } });
    t.match(JSON.parse(stderr), { error: { code: 'DATA_CORRUPT' } });
  });

  await t.test('read takes the log as it is, once', async (t) => {
    const [first, again] = [
      await reportOf(['read'], addresses),
      await reportOf(['read'], addresses),
    ];
    t.match(first, { bench: 'read', passes: 1, entryBytes: null, check: null });
    t.ok(first.entries > 0);
    t.same([again.entries, again.bytes], [first.entries, first.bytes]);
    const { status } = await runCommand(['bench', 'read', '--size', '1'], { cluster: addresses });
    t.equal(status, 2);
  });
});

t.test('a cluster of its own is filled before it is read, and nothing is left of it', async (t) => {
  const args = ['bench', 'read', '--nodes', '1', '--size', '1000', '--total', '1MB'];
  const { status, stdout } = await runCommand(args, { cluster: ['127.0.0.1:1'] });
  t.equal(status, 0, '--nodes goes before LOGLOG_CLUSTER');
  t.match(stdout.toString(), /^bench read, entryBytes 1000, passes 1\n1,000 entries in /);
  t.match(stdout.toString(), /^n1 +leader +\d+ % +\d+ MiB +0 +0 +0\.00 MB$/m);
  t.match(stdout.toString(), /1,000 entries appended, 1,000 read back, each where/);
  t.same(benchDirectories(), []);
});

t.test('an interrupt ends it, and its cluster with it', async (t) => {
  const child = startCommand(['bench', 'append', '--nodes', '3', '--seconds', '60', '--json']);
  const result = resultOf(child);
  const hasBegun = (name: string) => existsSync(join(tmpdir(), name, 'n3', 'identity'));
  while (!benchDirectories().some(hasBegun)) await sleep(50);
  child.kill('SIGINT');
  const { status, stdout, stderr } = await result;
  t.equal(status, 1);
  t.equal(stdout.length, 0);
  t.match(JSON.parse(stderr), { error: { code: 'CANCELLED' } });
  t.same(benchDirectories(), []);
});

const wrong: readonly (readonly [args: readonly string[], reason: RegExp])[] = [
  [['append', '--concurrency', '0'], /from 1 to 65536/],
  [['append', '--concurrency', '65536', '--size', '1MiB'], /at most 1 GiB/],
  [['append', '--size', '16MiB'], /at most 16777215 bytes/],
  [['append', '--size', '0'], /a size looks like/],
  [['append', '--seconds', '1e3'], /seconds are a number/],
  [['append', '--nodes', '2'], /1, 3, 5 or 7 nodes/],
  [['append', '--nodes', '3', '--cluster', '127.0.0.1:1'], /not both/],
  [['tail', '--rate', '-1'], /a rate is a whole number/],
  [['write'], /unknown command 'write'/],
  [[], /a command is missing/],
];
for (const [args, reason] of wrong) {
  t.test(`bench ${args.join(' ')} exits with 2, and says why`, async (t) => {
    const { status, stdout, stderr } = await runCommand(['bench', ...args]);
    t.equal(status, 2);
    t.equal(stdout.length, 0);
    t.match(stderr, /^error: CONFIG_INVALID /m);
    t.match(stderr, reason);
  });
}

t.test('where nothing listens the exit status is 3', async (t) => {
  for (const what of ['append', 'read', 'tail']) {
    const args = ['bench', what, '--cluster', '127.0.0.1:1', '--timeout', '500ms'];
    const { status, stderr } = await runCommand(args);
    t.equal(status, 3, what);
    t.match(stderr, /error: UNAVAILABLE .*127\.0\.0\.1:1/);
  }
});
