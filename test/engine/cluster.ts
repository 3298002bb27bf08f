/**
 * Real engines with disks, links and clients in memory, on virtual time: a run follows from its
 * seed alone.
 */
import type { Client } from '../../client/client.js';
import { createClient } from '../../client/client.js';
import type { Clock } from '../../proto/clock.js';
import type { LogLogError } from '../../proto/errors.js';
import type { LogLogService, NodeStatus } from '../../proto/service.js';
import { openDirectory } from '../../server/directory.js';
import { Engine } from '../../server/engine.js';
import type { NodeOptions, NodeSettings } from '../../server/options.js';
import { resolveOptions } from '../../server/options.js';
import { TestClock } from '../client/test-clock.js';
import { MemoryDisk } from '../log/memory-disk.js';
import { seededRandom } from '../log/seeded-random.js';
import { ClientNetwork } from './client-network.js';
import { PeerNetwork } from './peer-network.js';
import { ProcessClock } from './process-clock.js';

export const directory = '/data';

const clockSkewMsMax = 2000;

/** Virtual time after which what a test waits for is not going to happen. */
const untilMsMax = 60_000;

export interface ClusterOptions {
  readonly seed?: number;
  readonly size?: number;
  /** What every node is started with, besides who it is. */
  readonly node?: Partial<NodeOptions>;
  /** How long operations of the disks take, drawn anew for each; by default no time passes. */
  readonly diskDelayMs?: () => number;
}

interface Process {
  readonly clock: ProcessClock;
  engine: Engine | null;
  isStopping: boolean;
  /** Why it has stopped by itself. */
  failure: LogLogError | null;
}

export class TestNode {
  readonly id: string;
  /** Where clients reach it. */
  readonly address: string;
  disk: MemoryDisk;
  readonly #cluster: EngineCluster;
  #process: Process | null = null;

  constructor(cluster: EngineCluster, id: string, disk: MemoryDisk) {
    this.#cluster = cluster;
    this.id = id;
    this.address = `to-${id}`;
    this.disk = disk;
  }

  get isRunning(): boolean {
    return this.#process !== null;
  }

  get failure(): LogLogError | null {
    return this.#process?.failure ?? null;
  }

  /** Of a node that serves; undefined while it starts, and once it is gone. */
  get reachable(): LogLogService | undefined {
    return this.#process?.engine?.service;
  }

  get service(): LogLogService {
    const { reachable } = this;
    if (reachable === undefined) throw new Error(`${this.id} does not run`);
    return reachable;
  }

  status(): Promise<NodeStatus> {
    return this.service.status({}, new AbortController().signal);
  }

  /** Resolves when it serves; never if it is killed before. Rejects if it cannot start. */
  async start(options: Partial<NodeOptions> = {}): Promise<void> {
    const { clock, random } = this.#cluster;
    if (this.#process !== null) throw new Error(`${this.id} runs`);
    const skewMs = Math.floor(random.fraction() * clockSkewMsMax);
    const process: Process = {
      clock: new ProcessClock(clock, skewMs),
      engine: null,
      isStopping: false,
      failure: null,
    };
    this.#process = process;
    const settings = resolveOptions({ ...this.#cluster.optionsOf(this.id), ...options });
    try {
      const engine = await this.#open(settings, process.clock);
      process.engine = engine;
      void engine.failed.then((failure) => (process.failure = failure));
      engine.start(this.address);
    } catch (error) {
      this.#end();
      throw error;
    }
  }

  /** The machine loses power: the disk keeps what was synced, and any part of what was not. */
  crash(seed = 1): void {
    this.#end();
    this.disk = this.disk.crash(seed);
  }

  /** Hands over, syncs and ends. */
  async stop(): Promise<void> {
    const process = this.#process;
    if (process === null || process.isStopping) return;
    process.isStopping = true;
    await process.engine?.stop();
    if (this.#process === process) this.#end();
  }

  async #open(settings: NodeSettings, clock: Clock): Promise<Engine> {
    const { disk } = this;
    const { random, peers } = this.#cluster;
    const seed = random.bytes(4).readUInt32LE();
    await disk.makeDirectory(directory);
    return Engine.open(settings, await openDirectory(disk, settings), {
      disk,
      clock,
      random: seededRandom(seed),
      transport: peers.transport(this.id, this.address),
      version: 'test',
      processId: 1,
      residentBytes: () => 0,
    });
  }

  #end(): void {
    this.#process?.clock.end();
    this.#process = null;
    this.#cluster.peers.leave(this.id);
    this.#cluster.clients.leave(this.address);
  }
}

export class EngineCluster {
  readonly clock = new TestClock();
  readonly random;
  readonly peers: PeerNetwork;
  readonly clients: ClientNetwork;
  readonly nodes: readonly TestNode[];
  readonly #options: ClusterOptions;

  constructor(options: ClusterOptions = {}) {
    const { seed = 1, size = 3, diskDelayMs } = options;
    this.#options = options;
    this.random = seededRandom(seed);
    this.peers = new PeerNetwork(this.clock, this.random);
    this.clients = new ClientNetwork(
      this.clock,
      this.random,
      (address) => this.nodes.find((node) => node.address === address)?.reachable,
    );
    const delay = diskDelayMs && (() => this.sleep(diskDelayMs()));
    this.nodes = Array.from(
      { length: size },
      (_, i) => new TestNode(this, `n${i + 1}`, new MemoryDisk(delay ? { delay } : {})),
    );
  }

  /** A new cluster that has a leader. */
  static async start(options: ClusterOptions = {}): Promise<EngineCluster> {
    const cluster = new EngineCluster(options);
    await cluster.begin();
    return cluster;
  }

  async begin(): Promise<void> {
    const starts = this.nodes.map((node) => node.start({ newCluster: 'test' }));
    await this.clock.run(Promise.all(starts));
    await this.leader();
  }

  optionsOf(id: string): NodeOptions {
    const peers = Object.fromEntries(this.nodes.map((node) => [node.id, `${node.id}:1`]));
    return { id, directory, peers, segmentBytesMax: 64 * 1024, ...this.#options.node };
  }

  node(id: string): TestNode {
    const found = this.nodes.find((node) => node.id === id);
    if (found === undefined) throw new Error(`no node ${id}`);
    return found;
  }

  others(node: TestNode): [TestNode, TestNode] {
    const [one, other] = this.nodes.filter((each) => each !== node);
    if (one === undefined || other === undefined) throw new Error('there are three nodes');
    return [one, other];
  }

  client(name = 'client'): Client {
    return createClient({
      transport: this.clients.transport(name),
      clock: this.clock,
      random: this.random,
      seeds: this.nodes.map(({ address }) => address),
    });
  }

  /** Resolves when the time has passed, which it does while somebody runs the clock. */
  sleep(durationMs: number): Promise<void> {
    return new Promise((resolve) => this.clock.after(durationMs, resolve));
  }

  /** Lets time pass until it is so. */
  async until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
    const endMs = this.clock.monotonicMs() + untilMsMax;
    while (!(await isSo())) {
      if (this.clock.monotonicMs() > endMs) throw new Error(`waited in vain for ${what}`);
      await this.clock.pass(5);
    }
  }

  /** The node that leads in the newest term, once one of `among` does. */
  async leader(among: readonly TestNode[] = this.nodes): Promise<TestNode> {
    let leader: TestNode | undefined;
    await this.until('a leader', async () => {
      leader = await this.#newestLeader(among);
      return leader !== undefined;
    });
    if (leader === undefined) throw new Error('there is a leader');
    return leader;
  }

  /** Every running node has committed all that any of them has. */
  async settled(among: readonly TestNode[] = this.nodes): Promise<NodeStatus[]> {
    let statuses: NodeStatus[] = [];
    await this.until('all nodes to agree', async () => {
      statuses = await Promise.all(among.map((node) => node.status()));
      const places = statuses.flatMap((one) => [
        one.commitOffset,
        one.endOffset,
        one.durableOffset,
      ]);
      return new Set(places).size === 1;
    });
    return statuses;
  }

  async close(): Promise<void> {
    for (const node of this.nodes) if (node.isRunning) node.crash();
  }

  async #newestLeader(among: readonly TestNode[]): Promise<TestNode | undefined> {
    let newest: { node: TestNode; term: number } | undefined;
    let termMax = 0;
    for (const node of among) {
      if (node.reachable === undefined || node.failure !== null) continue;
      const { role, term } = await node.status();
      termMax = Math.max(term, termMax);
      if (role === 'leader' && term > (newest?.term ?? 0)) newest = { node, term };
    }
    return newest !== undefined && newest.term >= termMax ? newest.node : undefined;
  }
}
