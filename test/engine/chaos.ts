/** What can go wrong in a cluster, drawn from a seed. */
import type { RandomSource } from '../../proto/clock.js';
import { LogLogError } from '../../proto/errors.js';
import { seededRandom } from '../log/seeded-random.js';
import type { EngineCluster, TestNode } from './cluster.js';

const actions = [
  'rest',
  'rest',
  'crash',
  'crash',
  'blackout',
  'stop',
  'start',
  'start',
  'start',
  'start',
  'cutPeers',
  'isolate',
  'joinPeers',
  'joinPeers',
  'cutClient',
  'joinClient',
  'weather',
  'transfer',
  'stallDisk',
  'fillDisk',
] as const;
type Action = (typeof actions)[number];

const restMsMax = 150;
const delaysMsMax = [1, 5, 33] as const;
const stallMsMax = 600;

export class Chaos {
  readonly #cluster: EngineCluster;
  readonly #clients: readonly string[];
  readonly #random: RandomSource;
  /** What was done, for whoever reads of a failure. */
  readonly #story: string[];

  constructor(cluster: EngineCluster, clients: readonly string[], seed: number, story: string[]) {
    this.#cluster = cluster;
    this.#clients = clients;
    this.#random = seededRandom(seed);
    this.#story = story;
  }

  async go(count: number): Promise<void> {
    for (let i = 0; i < count; i += 1) {
      this.#act(this.#pick(actions));
      await this.#cluster.clock.pass(this.#random.fraction() * restMsMax);
    }
  }

  /** Everything works again. */
  async recover(): Promise<void> {
    const { peers, clients, nodes, clock } = this.#cluster;
    this.#say('recovers');
    peers.heal();
    clients.heal();
    for (const node of nodes) node.disk.full = false;
    // What is stalled or stopping ends by itself.
    await clock.pass(2 * stallMsMax);
    for (const node of nodes) if (!node.isRunning) await clock.run(node.start());
  }

  #act(action: Action): void {
    const { peers, clients, nodes } = this.#cluster;
    const node = this.#pick(nodes);
    const other = this.#pick(nodes.filter((one) => one !== node));
    const client = this.#pick(this.#clients);
    switch (action) {
      case 'rest':
        return;
      case 'crash':
        return this.#crash(node);
      case 'blackout':
        return nodes.forEach((each) => this.#crash(each));
      case 'stop':
        return this.#stop(node);
      case 'start':
        return this.#start(node);
      case 'cutPeers':
        this.#say(`${node.id} and ${other.id} are cut`);
        return peers.cut(node.id, other.id);
      case 'isolate':
        this.#say(`${node.id} is cut off from the other nodes`);
        return peers.isolate(
          node.id,
          nodes.map(({ id }) => id),
        );
      case 'joinPeers':
        for (const { id } of nodes) if (id !== node.id) peers.join(node.id, id);
        return;
      case 'cutClient':
        this.#say(`${client} and ${node.id} are cut`);
        return clients.cut(client, node.address);
      case 'joinClient':
        return clients.join(client, node.address);
      case 'weather':
        peers.lossRate = this.#random.fraction() < 0.5 ? 0 : 0.1 * this.#random.fraction();
        peers.delayMsMax = this.#pick(delaysMsMax);
        return this.#say(`loss ${peers.lossRate}, delay ${peers.delayMsMax}`);
      case 'transfer':
        return this.#transfer(node, other);
      case 'stallDisk':
        return this.#stallDisk(node);
      case 'fillDisk':
        node.disk.full = !node.disk.full;
        return this.#say(`${node.id}'s disk is ${node.disk.full ? '' : 'not '}full`);
    }
  }

  #crash(node: TestNode): void {
    if (!node.isRunning) return;
    this.#say(`${node.id} loses power`);
    node.crash(this.#below(2 ** 30));
  }

  #stop(node: TestNode): void {
    if (node.reachable === undefined) return;
    this.#say(`${node.id} stops`);
    void node.stop();
  }

  #start(node: TestNode): void {
    if (node.isRunning) return;
    this.#say(`${node.id} starts`);
    node.start().catch((error: unknown) => {
      this.#say(`${node.id} cannot start: ${String(error)}`);
      // On a full disk a node may have no room to begin with; that passes.
      if (!(error instanceof LogLogError) || error.code !== 'DISK_FAILED') throw error;
    });
  }

  #transfer(node: TestNode, to: TestNode): void {
    if (node.reachable === undefined) return;
    this.#say(`${node.id} is asked to hand over to ${to.id}`);
    const { signal } = new AbortController();
    // Most nodes do not lead, and refuse.
    node.reachable.transfer({ to: to.id }, signal).catch(() => undefined);
  }

  #stallDisk(node: TestNode): void {
    this.#say(`${node.id}'s disk stalls`);
    const release = node.disk.stallWrites();
    this.#cluster.clock.after(this.#random.fraction() * stallMsMax, release);
  }

  #say(what: string): void {
    this.#story.push(`${this.#cluster.clock.monotonicMs().toFixed(1)} ${what}`);
  }

  #below(bound: number): number {
    return Math.floor(this.#random.fraction() * bound);
  }

  #pick<T>(items: readonly T[]): T {
    const item = items[this.#below(items.length)];
    if (item === undefined) throw new Error('nothing to pick from');
    return item;
  }
}
