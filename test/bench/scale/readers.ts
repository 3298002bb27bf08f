/** Many who wait for entries at one node. */
import { appendFor } from '../../../cli/bench/append.js';
import { tailFor } from '../../../cli/bench/tail.js';
import type { Client, Entry } from '../../../index.js';
import { connect } from '../../../index.js';
import { warmUpSecondsFor } from '../driving.js';
import { milliseconds, rate } from '../report.js';
import type { Row, ScaleOptions } from './row.js';
import { mebibytes } from './row.js';
import { ScaleCluster } from './scale-cluster.js';

const tailsCount = 100;
const waitMs = 60_000;
const farBytes = 2 ** 40;
/** A connection carries fewer calls than there are to be. */
const waitersAtAClient = 5000;

export async function measureReaders(options: ScaleOptions): Promise<Row[]> {
  const { directory, seconds, waiters } = options;
  const cluster = await ScaleCluster.start(directory, 3);
  const clients: Client[] = [];
  const another = async (id: string) => {
    const { address } = (await cluster.status()).find((node) => node.id === id) ?? {};
    if (address === undefined) throw new Error(`${id} has no address`);
    const client = await connect(address);
    clients.push(client);
    return client;
  };
  try {
    const follower = (await cluster.status()).find(({ role }) => role === 'follower');
    const id = follower?.id ?? '';
    const quiet = await look(cluster, id, seconds);
    const idle: Promise<unknown>[] = [];
    while (idle.length < waiters) {
      const client = await another(id);
      const { end } = await client.end();
      // Far beyond what will be written: they wake for nothing and end with their client.
      const offset = end + farBytes;
      const count = Math.min(waitersAtAClient, waiters - idle.length);
      const wait = () =>
        client.readPage({ offset, limit: 1, waitMs, node: id }).catch(() => undefined);
      idle.push(...Array.from({ length: count }, wait));
    }
    const waiting = await look(cluster, id, seconds);
    for (const client of clients.splice(0)) await client.close({ timeoutMs: 1 });
    await Promise.all(idle);
    const tailing = await another(id);
    const tails = Array.from({ length: tailsCount }, () => follow(tailing, id));
    const followed = await tailFor(cluster.client, {
      ...{ entryBytes: 100, seconds, warmUpSeconds: warmUpSecondsFor(seconds) },
    });
    for (const tail of tails) await tail.return?.();
    const alone = await tailFor(cluster.client, {
      ...{ entryBytes: 100, seconds, warmUpSeconds: warmUpSecondsFor(seconds) },
    });
    const p50 = [alone, followed].map(({ fromAcknowledgementMs }) =>
      milliseconds(fromAcknowledgementMs?.p50 ?? Number.NaN),
    );
    return [
      [
        `100 B, 256 at a time, with 0 / ${waiters.toLocaleString('en')} readers waiting at one node`,
        `${rate(quiet.rate)} / ${rate(waiting.rate)}/s`,
      ],
      ['resident memory of that node', `${quiet.memory} / ${waiting.memory}`],
      [
        `from the acknowledgement to a tail reader on a follower, 1 / ${tailsCount} of them, p50`,
        `${p50.join(' / ')} ms`,
      ],
    ];
  } finally {
    for (const client of clients) await client.close({ timeoutMs: 1 });
    await cluster.stop();
  }
}

function follow(client: Client, node: string): AsyncIterator<Entry> {
  const tail = client.read({ from: 'end', follow: true, node })[Symbol.asyncIterator]();
  const readOn = async () => {
    while ((await tail.next()).done !== true);
  };
  readOn().catch(() => undefined);
  return tail;
}

async function look(
  cluster: ScaleCluster,
  id: string,
  seconds: number,
): Promise<{ rate: number; memory: string }> {
  const span = { seconds, warmUpSeconds: warmUpSecondsFor(seconds) };
  const { entries } = await appendFor(cluster.client, { ...span, entryBytes: 100, inFlight: 256 });
  const node = (await cluster.status()).find((one) => one.id === id);
  return { rate: entries / seconds, memory: mebibytes(node?.residentBytes ?? Number.NaN) };
}
