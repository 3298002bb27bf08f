import type { Client } from '../../client/client.js';
import { createClient } from '../../client/client.js';
import type { Entry } from '../../proto/entries.js';
import { entriesOf } from '../../proto/entries.js';
import type { FakeCluster } from './fake-cluster.js';

export function clientOf(fake: FakeCluster): Client {
  return createClient({ ...fake.environment, seeds: fake.nodes.map(({ address }) => address) });
}

/** What readers of the log see. */
export function entriesIn(fake: FakeCluster): string[] {
  const data = fake.log.batches.filter(({ header }) => header.kind === 'data');
  return data.flatMap((batch) => [...entriesOf(batch)].map((entry) => entry.data.toString()));
}

export function dataBatches(fake: FakeCluster): number {
  return fake.log.batches.filter(({ header }) => header.kind === 'data').length;
}

export function numbered(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `entry ${index}`);
}

export async function collect(entries: AsyncIterable<Entry>): Promise<Entry[]> {
  const all: Entry[] = [];
  for await (const entry of entries) all.push(entry);
  return all;
}
