import t from 'tap';
import { TestClock } from '../client/test-clock.js';
import { EngineCluster } from './cluster.js';
import { ProcessClock } from './process-clock.js';
import { TraceHash } from './trace-hash.js';

t.test('timers of a paused process run late, in order, and not when it has ended', async (t) => {
  const clock = new TestClock();
  const own = new ProcessClock(clock, 0);
  const ran: string[] = [];
  const note = (what: string) => () => ran.push(`${what} ${clock.monotonicMs()}`);
  own.after(10, note('first'));
  own.after(20, note('second'));
  own.after(200, note('third'));
  const never = own.after(30, note('never'));
  own.after(15, () => never.cancel());
  own.pause(100);
  own.deliver(note('message'));
  await clock.pass(150);
  t.same(ran, ['message 100', 'first 100', 'second 100']);
  own.end();
  await clock.pass(150);
  t.equal(ran.length, 3);
  t.notOk(own.deliver(note('late')));
});

t.test('a clock jumps back without its milliseconds going back, and drifts', async (t) => {
  const clock = new TestClock();
  const own = new ProcessClock(clock, 0);
  await clock.pass(1000);
  own.jump(-5000);
  t.equal(own.wallMs(), clock.wallMs() - 5000);
  t.equal(own.monotonicMs(), 1000);
  own.drift(2);
  let ranMs = 0;
  own.after(100, () => (ranMs = clock.monotonicMs()));
  await clock.pass(500);
  t.equal(ranMs, 1050, 'its hundred milliseconds are half as long');
  t.equal(own.monotonicMs(), 2000);
});

t.test('a killed node has what it wrote, a leader that pauses is deposed', async (t) => {
  const cluster = await EngineCluster.start({ node: { electionTimeoutMs: 200 } });
  const { clock } = cluster;
  const client = cluster.client();
  const { end } = await clock.run(client.append('first'));
  const first = await cluster.leader();
  const term = (await first.status()).term;
  first.pause(5000);
  const second = await cluster.leader(cluster.others(first));
  t.ok((await second.status()).term > term);
  await clock.run(client.append('second'));
  await clock.pass(6000);
  t.equal((await first.status()).role, 'follower');
  for (const node of cluster.nodes) node.kill();
  for (const node of cluster.nodes) await clock.run(node.start());
  t.ok((await clock.run(client.end())).dataEnd > end);
  await clock.run(client.close());
  await cluster.close();
});

t.test('clusters of one and of five; an older disk and an empty one', async (t) => {
  for (const size of [1, 5]) {
    const cluster = await EngineCluster.start({ size });
    const { clock } = cluster;
    const client = cluster.client();
    await clock.run(client.append('first'));
    const [node] = cluster.nodes;
    if (node === undefined) throw new Error('there is a node');
    const older = node.disk.snapshot();
    const { end } = await clock.run(client.append('second'));
    await clock.pass(100);
    t.ok((await node.status()).endOffset >= end);
    node.crash();
    node.disk.restore(older);
    await clock.run(node.start());
    if (size === 1) t.ok((await node.status()).endOffset < end, 'nobody can tell');
    node.crash();
    node.disk.wipe();
    t.same(cluster.disks.get(node.id)?.files(), []);
    await clock.run(client.close({ timeoutMs: 10 }));
    await cluster.close();
  }
});

t.test('a seed gives the same trace again, another seed another', async (t) => {
  const digestOf = async (seed: number) => {
    const trace = new TraceHash();
    const cluster = await EngineCluster.start({ seed, trace });
    const client = cluster.client();
    await cluster.clock.run(client.append('first'));
    (await cluster.leader()).crash();
    await cluster.clock.run(client.append('second'));
    await cluster.clock.run(client.close());
    await cluster.close();
    return trace.digest();
  };
  const digest = await digestOf(1);
  t.equal(await digestOf(1), digest);
  t.not(await digestOf(2), digest);
});

t.test('a trace tells texts and numbers apart, whatever their length', async (t) => {
  const digestOf = (...values: (number | string)[]) => {
    const trace = new TraceHash();
    trace.add(...values);
    return trace.digest();
  };
  const long = 'x'.repeat(100_000);
  const all = [['ab', 'c'], ['a', 'bc'], [1, 2], [2, 1], ['1'], [1], [long], [long, 'x']];
  t.equal(new Set(all.map((values) => digestOf(...values))).size, all.length);
  t.equal(digestOf(long, 1), digestOf(long, 1));
});
