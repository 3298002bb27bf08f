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
    const appended: string[] = [];
    const append = async () => {
      const entry = `${appended.length}\n`;
      await client.append(entry);
      appended.push(entry);
    };
    await append();
    const deposed = await cluster.leader(client);
    cluster.child(deposed).kill('SIGUSR2');
    let status = await client.status({ timeoutMs: 1000 });
    // On a slow disk it is another thread that waits for most writes.
    while (status.leader === deposed && appended.length < 1000) {
      await append();
      status = await client.status({ timeoutMs: 1000 });
    }
    t.not(status.leader, deposed);
    t.match(
      status.nodes.find(({ id }) => id === deposed),
      { reachable: false },
      'it still hangs',
    );
    await append();
    await cluster.settled(client);
    for (const node of cluster.ids) {
      const entries = await text(
        (async function* () {
          for await (const { data } of client.read({ node })) yield data;
        })(),
      );
      t.equal(entries, appended.join(''), `${node} has each once`);
    }
  },
);
