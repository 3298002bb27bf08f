import { text } from 'node:stream/consumers';
import t from 'tap';
import { connect } from '../../index.js';
import { ProcessCluster } from './processes.js';

const preload = new URL('hang-writes.js', import.meta.url).href;

t.test(
  'a leader whose disk hangs its main thread is deposed meanwhile, and follows then',
  async (t) => {
    const flags = ['--election-timeout', '500ms'];
    const cluster = await ProcessCluster.start(3, flags, ['--import', preload]);
    t.teardown(() => cluster.close());
    const client = await connect(cluster.addresses);
    t.teardown(() => client.close());
    await client.append('before\n');
    const leader = await cluster.leader(client);
    cluster.child(leader).kill('SIGUSR2');
    await client.append('meanwhile\n');
    const { leader: next, nodes } = await client.status({ timeoutMs: 1000 });
    t.not(next, leader);
    t.match(
      nodes.find(({ id }) => id === leader),
      { reachable: false },
      'it still hangs',
    );
    await client.append('behind\n');
    await cluster.settled(client);
    for (const node of cluster.ids) {
      const entries = await text(
        (async function* () {
          for await (const { data } of client.read({ node })) yield data;
        })(),
      );
      t.equal(entries, 'before\nmeanwhile\nbehind\n', `${node} has each once`);
    }
  },
);
