import t from 'tap';
import type { LatencyMs } from '../../cli/bench/latency.js';
import type { ContenderName } from './contender.js';
import { parseSummary } from './peers/etcd-tool.js';
import { doubtsAbout, reportOf } from './report.js';
import { median, summarize } from './results.js';
import type { Sample } from './run.js';
import { rotated } from './run.js';
import { workloads } from './workloads.js';

const chosen = workloads.filter(({ name }) => name === '100B-1' || name === 'tail');

function latency(p50: number): LatencyMs {
  return { p50, p90: 2 * p50, p99: 3 * p50, p999: 4 * p50, max: 5 * p50 };
}

function sample(workload: string, contender: ContenderName, entries: number, p50: number): Sample {
  const measured = { entries, seconds: 2, latencyMs: latency(p50) };
  return { workload, contender, measured, driverCores: 0.5, idleCores: 0 };
}

const samples = [
  sample('100B-1', 'loglog', 2000, 1),
  sample('100B-1', 'etcd', 500, 4),
  sample('100B-1', 'loglog', 6000, 3),
  sample('100B-1', 'etcd', 700, 5),
  sample('100B-1', 'loglog', 4000, 2),
  sample('100B-1', 'etcd', 100, 3),
  sample('100B-1', 'bare', 3000, 3),
  sample('tail', 'loglog', 10, 0.4),
  sample('tail', 'jetstream', 10, 0.2),
  sample('tail', 'redis', 10, 0.001),
];

t.test('a median is the value in the middle, or between the two there', async (t) => {
  t.equal(median([10, 9, 100]), 10);
  t.equal(median([4, 1, 3, 2]), 2.5);
  t.throws(() => median([]));
});

t.test('who comes first changes from round to round', async (t) => {
  const orders = [0, 1, 2, 3].map((round) => rotated(['a', 'b', 'c'], round).join(''));
  t.same(orders, ['abc', 'bca', 'cab', 'abc']);
});

t.test('results are medians of rounds, with their spread', async (t) => {
  const [appends] = summarize(chosen, samples).workloads;
  t.match(appends?.loglog, {
    rounds: 3,
    entriesPerSecond: 2000,
    megabytesPerSecond: 0.2,
    entriesPerSecondSpread: [1000, 3000],
    latencyMs: latency(2),
    p50MsSpread: [1, 3],
  });
  t.equal(appends?.etcd?.entriesPerSecond, 250);
  t.notOk(appends !== undefined && 'redis' in appends, 'who was not measured is not there');
});

t.test('ratios are of rates, those of the tail of its medians', async (t) => {
  const [appends, tail] = summarize(chosen, samples).workloads;
  t.same(appends?.ratios, { bare: 2000 / 1500, etcd: 8 });
  t.same(tail?.ratios, { jetstream: 2 }, 'nothing is divided by next to no time');
});

t.test('a ceiling below LogLog, and a driver that is the limit, are told', async (t) => {
  const limited = { ...sample('tail', 'etcd', 10, 1), driverCores: 0.95, idleCores: 0.9 };
  t.same(doubtsAbout(summarize(chosen, [...samples, limited])), [
    '100B-1: the bare pipe, the ceiling, is slower than LogLog: invalid',
    'tail: etcd may be held back by its driver',
  ]);
  const others = [2400, 5000].map((entries) => sample('100B-1', 'bare', entries, 1));
  t.same(
    doubtsAbout(summarize(chosen, [...samples, ...others])),
    [
      '100B-1: the bare pipe, the ceiling, is slower than LogLog: invalid, though its fastest round is faster',
    ],
    'how close they are is told too',
  );
});

t.test('the report shows where LogLog is behind, and who is missing', async (t) => {
  const contender = (name: ContenderName) => ({
    contender: {
      name,
      notes: `notes on ${name}`,
      version: async () => '1',
      start: () => Promise.reject(new Error('nobody starts it')),
    },
    version: '1',
  });
  const report = reportOf(summarize(chosen, samples), {
    contenders: [contender('loglog'), contender('etcd'), contender('jetstream')],
    missing: ['redis'],
    machine: 'a machine',
    command: 'a command',
    date: new Date(0),
    rounds: 3,
    seconds: 2,
  });
  const lines = report.split('\n');
  t.ok(lines.includes('| workload | LogLog | etcd | JetStream | ÷ etcd | ÷ JetStream |'));
  t.ok(lines.includes('| `100B-1` | 2,000 (1,000–3,000) | 250 (50–350) | – | 8.00 | – |'), report);
  t.ok(lines.includes('| `tail` | 0.40 ms (0.40–0.40) | – | 0.20 ms (0.20–0.20) | – | **2.00** |'));
  t.match(report, '| `100B-1` | 2.00 / 6.00 / 8.00 / 10 |');
  t.match(report, '- **Redis** is not installed and was left out.');
  t.match(report, '- **etcd** (1): notes on etcd');
});

t.test("what etcd's tool prints is understood, whole or not", async (t) => {
  const summary = `
Summary:
  Total:\t2.5000 secs.
  Slowest:\t0.0300 secs.
  Fastest:\t1e-05 secs.
  Requests/sec:\t40.0000

Latency distribution:
  50% in 0.0010 secs.
  90% in 0.0020 secs.
`;
  t.match(parseSummary(summary), {
    seconds: 2.5,
    latencyMs: { p50: 1, p90: 2, p99: 30, p999: 30, max: 30 },
  });
  t.throws(() => parseSummary(`${summary}\nError distribution:\n  [3]\ttimed out\n`));
  t.throws(() => parseSummary('command not found'));
});
