import t from 'tap';
import { Latencies } from '../../../cli/bench/latency.js';
import { Tally } from '../../../cli/bench/tally.js';
import type { Snapshot } from '../../../cli/bench/usage.js';
import { usageBetween } from '../../../cli/bench/usage.js';
import type { ReachableNode } from '../../../index.js';
import { LogLogError } from '../../../index.js';
import { status } from '../../rpc/recording-service.js';

t.test('latencies are summed up in milliseconds', async (t) => {
  const latencies = new Latencies();
  t.equal(latencies.summary, null);
  for (let micros = 0; micros < 1000; micros++) latencies.record(micros / 1000);
  latencies.record(5000);
  const { max = 0, ...percentiles } = latencies.summary ?? {};
  t.same(percentiles, { p50: 0.5, p90: 0.9, p99: 0.99, p999: 0.999 });
  t.ok(Math.abs(max - 5000) < 5, 'three digits are exact');
});

t.test('only what happens within the measured time counts', async (t) => {
  const tally = new Tally({ seconds: 2, warmUpSeconds: 1 });
  const toMillis = (seconds: number) => Math.round(1000 * seconds);
  t.equal(Math.round(tally.endMs - tally.beginMs), 2000);
  t.notOk(tally.add(tally.beginMs - 1, 1, 10));
  t.ok(tally.add(tally.beginMs, 2, 20));
  t.ok(tally.add(tally.endMs - 1, 3, 30));
  t.notOk(tally.add(tally.endMs, 4, 40));
  const { seconds, ...counted } = tally.measured(tally.beginMs + 500);
  t.same(counted, { entries: 5, bytes: 50 });
  t.equal(toMillis(seconds), 500);
  t.equal(toMillis(tally.measured(tally.endMs + 500).seconds), 2000);
});

t.test('usage is what was added, of the nodes that were there all the time', async (t) => {
  const node = (id: string, more: Partial<ReachableNode>): ReachableNode => ({
    ...{ ...status, id, address: 'localhost:1', reachable: true },
    ...more,
  });
  const snapshot = (atMs: number, nodes: Snapshot['status']['nodes']): Snapshot => ({
    status: { clusterId: 'c', leader: 'a', term: 1, nodes },
    atMs,
  });
  const error = new LogLogError('UNAVAILABLE', 'away');
  const away = { id: 'd', reachable: false, error } as const;
  const before = [node('a', {}), node('b', {}), away, node('e', {})];
  const staged = { ...status.staged, matchedBatches: 13, inlinedBatches: 7 };
  const after = [
    node('a', {
      cpuMicros: status.cpuMicros + 500_000,
      peerBytesSent: status.peerBytesSent + 99,
      ...{ staged, residentBytes: 1 },
    }),
    node('b', { processId: status.processId + 1 }),
    node('d', {}),
    { ...away, id: 'e' },
  ];
  t.same(usageBetween(snapshot(1000, before), snapshot(3000, after)), [
    {
      ...{ id: 'a', role: 'follower', cores: 0.25, residentBytes: 1 },
      ...{ stagedBatches: 10, inlinedBatches: 2, peerBytesSent: 99 },
    },
  ]);
});
