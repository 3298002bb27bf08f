t.test(
  'transfer makes the node named the leader; status says who leads, in stable names',
  async (t) => {
    for (const id of ['n1', 'n3']) {
      const transfer = JSON.parse(LINES['transfer', id, '--json']))[0] ?? '');
      t.equal(transfer.leader, id);
      const status = JSON.parse(LINES['status', '--json']))[0] ?? '');
      t.match(status, { clusterId: /^[0-9a-f]{64}$/, leader: id, term: transfer.term });
      t.same(
        status.nodes.map((node: { id: string }) => node.id),
        ['n1', 'n2', 'n3'],
      );
      for (const node of status.nodes) {
        const number = Number.isSafeInteger;
        t.match(node, {
          address: local.nodes.find((plan) => plan.id === node.id)?.address,
          pid: local.processes.get(node.id)?.processId,
          reachable: true,
          role: node.id === id ? 'leader' : 'follower',
          term: transfer.term,
          firstOffset: 0,
          durableOffset: number,
          commitOffset: number,
          chain: /^[0-9a-f]{32}$/,
          staged: {
            matchedBatches: number,
            matchedBytes: number,
            inlinedBatches: number,
            inlinedBytes: number,
            missing: number,
            mismatched: number,
            expired: number,
          },
        });
      }
    }
    t.match((await shell.done(['status'])).stdout.toString(), /n3 leads/);
  },
);

t.test('without a majority nothing is appended and nothing is answered, in time', async (t) => {
  const [id = ''] = local.processes.keys();
  for (const node of local.processes.values()) {
    if (node.plan.id !== id) node.signal('SIGKILL');
  }
  for (const args of [['end'], ['cat'], ['append']]) {
    const { status, stderr } = await shell.refused([...args, '--timeout', '1s'], 'lost?\n');
    t.ok(status === 4 || (args[0] === 'append' && status === 5), `${args[0]}: ${status} ${stderr}`);
  }
  const status = JSON.parse(LINES['status', '--json']))[0] ?? '');
  t.same(
    status.nodes.map((node: { reachable: boolean }) => node.reachable),
    [true, false, false],
  );
  t.match(status.nodes[1], { id: 'n2', pid: null, role: null, chain: null, error: String });
});
