/** Clients in this process, each with links of its own, that do everything that a client can do. */
import type { RandomSource } from '../../proto/clock.js';
import { systemClock, systemRandom } from '../../proto/system.js';
import type { Client, Transport } from '../../client/index.js';
import { createClient, grpcTransport } from '../../client/index.js';
import { append, appendWhereExpected, write } from './appenders.js';
import type { NemesisCluster } from './cluster.js';
import { askForEnds, readPages, tail, waitForMore } from './readers.js';
import type { Recorder } from './recorder.js';
import { Sightings } from './sightings.js';
import type { Story } from './story.js';
import type { Worker } from './worker.js';

/** Each is a party of its own in the network. */
export const clientNames = ['c1', 'c2', 'c3'] as const;
type ClientName = (typeof clientNames)[number];

/** What writers append; the other appends come on top. */
export const writtenPerSecondDefault = 350;

export class Workload {
  readonly #cluster: NemesisCluster;
  readonly #recorder: Recorder;
  readonly #story: Story;
  readonly #random: RandomSource;
  readonly #ending = new AbortController();
  readonly #clients = new Map<ClientName, Client>();
  readonly #running: Promise<unknown>;

  constructor(
    cluster: NemesisCluster,
    recorder: Recorder,
    story: Story,
    random: RandomSource,
    writtenPerSecond: number,
  ) {
    this.#cluster = cluster;
    this.#recorder = recorder;
    this.#story = story;
    this.#random = random;
    for (const name of clientNames) this.#clients.set(name, this.#connect(name));
    this.#running = Promise.all([
      ...clientNames.map((name) =>
        write(this.#worker(name), `writer ${name}`, writtenPerSecond / clientNames.length),
      ),
      append(this.#worker('c1'), 'append c1'),
      append(this.#worker('c2'), 'append c2'),
      appendWhereExpected(this.#worker('c3'), 'conditional c3'),
      askForEnds(this.#worker('c1'), 'end c1', { linearizable: true }),
      askForEnds(this.#worker('c2'), 'end c2', { linearizable: true }),
      askForEnds(this.#worker('c3'), 'local end c3', { linearizable: false }),
      readPages(this.#worker('c2'), 'pages c2', [...cluster.ids]),
      ...this.#readersOfNodes(),
    ]);
  }

  /** No more is begun; resolves when everything has its answer. */
  async finish(): Promise<void> {
    this.#ending.abort();
    await this.#running;
  }

  async close(): Promise<void> {
    this.#ending.abort();
    const timeoutMs = 100;
    const closed = [...this.#clients.values()].map((client) => client.close({ timeoutMs }));
    await Promise.allSettled(closed);
    await this.#running;
  }

  #readersOfNodes(): Promise<void>[] {
    const sightings = new Sightings(this.#cluster, () => this.#recorder.now());
    return this.#cluster.ids.flatMap((node) => [
      tail(this.#worker('c3'), node, sightings),
      waitForMore(this.#worker('c1'), node, sightings),
    ]);
  }

  #worker(name: ClientName): Worker {
    const client = this.#clients.get(name) ?? this.#connect(name);
    return {
      client,
      recorder: this.#recorder,
      story: this.#story,
      random: this.#random,
      ending: this.#ending.signal,
    };
  }

  /** Nodes tell their own addresses; this client finds its proxies there. */
  #connect(name: ClientName): Client {
    const { ids, network } = this.#cluster;
    const view = new Map(ids.map((id) => [this.#cluster.addressOf(id), network.address(name, id)]));
    const transport: Transport = {
      open: (address) => grpcTransport.open(view.get(address) ?? address),
    };
    const seeds = ids.map((id) => this.#cluster.addressOf(id));
    return createClient({ transport, seeds, clock: systemClock, random: systemRandom });
  }
}
