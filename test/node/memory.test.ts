/** Memory stays within its budgets, whatever is appended and whoever does not read. */
import { randomBytes } from 'node:crypto';
import t from 'tap';
import { grpcTransport } from '../../client/index.js';
import { connect } from '../../index.js';
import { ProcessCluster } from './processes.js';

const appendedBytes = 2e9;
const entryBytes = 256 * 1024;
const residentBytesMax = 350 * 2 ** 20;

t.test('two gigabytes, while a tail reader stands still', { timeout: 600_000 }, async (t) => {
  const cluster = await ProcessCluster.start(3);
  t.teardown(() => cluster.close());
  const client = await connect(cluster.addresses);
  t.teardown(() => client.close({ timeoutMs: 1000 }));
  const tails = cluster.addresses.map((address) => {
    const connection = grpcTransport.open(address);
    // It takes its first pages and gives no credit for more.
    const handlers = { onPage: () => undefined, onClose: () => undefined };
    connection.service.tail({ offset: 0, limit: 2 ** 20 }, handlers).credit(4);
    return connection;
  });
  t.teardown(() => tails.forEach((one) => one.close()));
  const highest = new Map(cluster.ids.map((id) => [id, 0]));
  const entry = randomBytes(entryBytes);
  const writer = client.writer();
  for (let i = 0; i * entryBytes < appendedBytes; i += 1) {
    await writer.write(entry);
    if (i % 100 !== 0) continue;
    for (const id of cluster.ids) {
      highest.set(id, Math.max(highest.get(id) ?? 0, await cluster.residentBytes(id)));
    }
  }
  await writer.close({ timeoutMs: 60_000 });
  await cluster.settled(client);
  for (const [id, bytes] of highest) {
    t.ok(bytes < residentBytesMax, `${id} took at most ${Math.round(bytes / 2 ** 20)} MiB`);
  }
});
