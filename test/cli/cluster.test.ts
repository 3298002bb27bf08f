import t from 'tap';
import { Shell } from './shell.js';
import { temporaryCluster } from './temporary.js';

const cluster = await temporaryCluster(t, 3);
const shell = new Shell(cluster.addresses);

async function status() {
  const [line = ''] = await shell.lines('status', '--json');
  return JSON.parse(line);
}

t.test('transfer makes the node named the leader', async (t) => {
  for (const id of ['n1', 'n3']) {
    const [line = ''] = await shell.lines('transfer', id, '--json');
    const { leader, term } = JSON.parse(line);
    t.equal(leader, id);
    t.match(await status(), { leader: id, term });
  }
  t.match(await shell.lines('status'), [/^cluster /, /^n3 leads/]);
});

t.test('status --json has what there is to know, under stable names', async (t) => {
  await shell.append([], 'something\n');
  const { nodes, ...rest } = await status();
  t.match(rest, { clusterId: /^[0-9a-f]{64}$/, leader: 'n3', term: Number });
  t.equal(nodes.length, cluster.nodes.length);
  for (const [index, { id, address }] of cluster.nodes.entries()) {
    t.match(nodes[index], {
      id,
      address,
      pid: cluster.processes.get(id)?.processId,
      reachable: true,
      role: id === 'n3' ? 'leader' : 'follower',
      term: rest.term,
      firstOffset: 0,
      durableOffset: Number,
      commitOffset: Number,
      chain: /^[0-9a-f]{32}$/,
      residentBytes: Number,
      cpuMicros: Number,
      peerBytesSent: Number,
      staged: {
        matchedBatches: Number,
        matchedBytes: Number,
        inlinedBatches: Number,
        inlinedBytes: Number,
        missing: Number,
        mismatched: Number,
        expired: Number,
      },
      error: null,
    });
  }
});

t.test('without a majority nothing is appended and nothing answered, in time', async (t) => {
  for (const id of ['n2', 'n3']) cluster.processes.get(id)?.signal('SIGKILL');
  const timeout = ['--timeout', '1s'];
  const [end, cat, append] = await Promise.all([
    shell.refused(['end', ...timeout]),
    shell.refused(['cat', ...timeout]),
    shell.refused(['append', ...timeout], 'lost?\n'),
  ]);
  t.equal(end.status, 4);
  t.equal(cat.status, 4);
  // 5 if the entry had been sent to a leader that could not commit it.
  t.ok(append.status === 4 || append.status === 5, append.stderr);
  const { nodes } = await status();
  t.match(nodes, [
    { id: 'n1', reachable: true },
    { id: 'n2', reachable: false, pid: null, role: null, chain: null, error: String },
    { id: 'n3', reachable: false },
  ]);
});
