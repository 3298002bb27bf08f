/**
 * Real engines with disks, links and clients in memory, on virtual time: a run follows from its
 * seed alone.
 */
import type { Client } from '../../client/client.js';
import { createClient } from '../../client/client.js';
import type { Clock } from '../../proto/clock.js';
import type { LogLogError } from '../../proto/errors.js';
import type { LogLogService, NodeStatus } from '../../proto/service.js';
import type { Directory } from '../../server/directory.js';
import { openDirectory } from '../../server/directory.js';
import { Engine } from '../../server/engine.js';
import type { NodeOptions, NodeSettings } from '../../server/options.js';
import { defaults, resolveOptions } from '../../server/options.js';
import { TestClock } from '../client/test-clock.js';
import type { DiskOperation } from '../log/memory-disk.js';
import { MemoryDisk } from '../log/memory-disk.js';
import { seededRandom } from '../log/seeded-random.js';
import type { Server } from './client-network.js';
import { ClientNetwork } from './client-network.js';
import type { Delay } from './delays.js';
import { PeerNetwork } from './peer-network.js';
import { ProcessClock } from './process-clock.js';
import type { TraceHash } from './trace-hash.js';

export const directory = '/data';

export const clusterName = 'test';

const clockSkewMsMax = 2000;

/** When the system writes back by itself what a killed process left. */
const writeBackMs = 30_000;

/** Virtual time after which what a test waits for is not going to happen. */
const untilMsMax = 60_000;

/** Low enough that the small entries of tests go both ways, uploaded and inline. */
const uploadedBodyBytesMin = 1024;

export interface ClusterOptions {
  readonly seed?: number;
  readonly size?: number;
  /** What every node is started with, besides who it is. */
  readonly node?: Partial<NodeOptions>;
  /** How long operations of the disks take, drawn anew for each; by default no time passes. */
  readonly diskDelayMs?: DiskDelay;
  /** Room on each disk. */
  readonly diskRoomBytes?: number;
  /** Told of everything that happens, in order. */
  readonly trace?: TraceHash;
}

export type DiskDelay = (operation: DiskOperation) => number;

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
  /** While the node is down it can be wiped, or an older one restored. */
  disk: MemoryDisk;
  /** How long operations of the disk take from now on. */
  diskDelayMs: DiskDelay | null;
  readonly #cluster: EngineCluster;
  #process: Process | null = null;

  constructor(cluster: EngineCluster, id: string, options: ClusterOptions) {
    this.#cluster = cluster;
    this.id = id;
    this.address = `to-${id}`;
    this.diskDelayMs = options.diskDelayMs ?? null;
    this.disk = new MemoryDisk({
      delay: (operation) => this.#diskDelay(operation),
      ...(options.diskRoomBytes !== undefined && { roomBytes: options.diskRoomBytes }),
    });
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

  /** What clients reach, as soon as the node serves. */
  get server(): Server | undefined {
    const clock = this.#process?.clock;
    const service = this.reachable;
    return clock && service && { service, clock };
  }

  /** Of the process that runs: it can be made to jump and to drift. */
  get clock(): ProcessClock {
    if (this.#process === null) throw new Error(`${this.id} does not run`);
    return this.#process.clock;
  }

  /** Whether its process has run since this was last asked. */
  takeHasRun(): boolean {
    return this.#process?.clock.takeHasRun() ?? false;
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
    this.#trace('start');
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
      const engine = await this.#open(settings, process);
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
    this.#trace('crash');
    this.#end();
    this.disk = this.disk.crash(seed);
  }

  /** The process ends without a word; the system keeps what was written, and syncs it in time. */
  kill(): void {
    this.#trace('kill');
    this.#end();
    const disk = this.disk.kill();
    this.disk = disk;
    this.#cluster.clock.after(writeBackMs, () => disk.writeBack());
  }

  /** The process does not run for so long. */
  pause(durationMs: number): void {
    this.#trace('pause');
    this.clock.pause(durationMs);
    this.#cluster.peers.pause(this.id, durationMs);
  }

  /** What every message from and to this node takes besides; null: nothing. */
  slow(delay: Delay | null): void {
    this.#cluster.peers.slow(this.id, delay);
    this.#cluster.clients.slow(this.address, delay);
  }

  /** Hands over, syncs and ends. */
  async stop(): Promise<void> {
    const process = this.#process;
    if (process === null || process.isStopping) return;
    process.isStopping = true;
    this.#trace('stop');
    await process.engine?.stop();
    if (this.#process === process) this.#end();
  }

  async #open(settings: NodeSettings, process: Process): Promise<Engine> {
    const { disk } = this;
    const { random, peers } = this.#cluster;
    const seed = random.bytes(4).readUInt32LE();
    await disk.makeDirectory(directory);
    return Engine.open(settings, await this.#openDirectory(settings), {
      disk,
      clock: process.clock,
      random: seededRandom(seed),
      transport: peers.transport(this.id, this.address, process.clock),
      version: 'test',
      processId: 1,
      residentBytes: () => 0,
      cpuMicros: () => 0,
      peerBytesSent: () => 0,
    });
  }

  #openDirectory(settings: NodeSettings): Promise<Directory> {
    const { random } = this.#cluster;
    const { members, segmentBytesMax = defaults.segmentBytesMax } = settings;
    const introduction = { clusterName, members, segmentBytesMax };
    return openDirectory(this.disk, settings, { random, introduce: async () => introduction });
  }

  /** A paused process hears of nothing that has ended. */
  #diskDelay(operation: DiskOperation): Promise<void> | undefined {
    const delayMs = this.diskDelayMs?.(operation) ?? 0;
    const process = this.#process;
    if (delayMs === 0 && process?.clock.isPaused !== true) return undefined;
    const clock: Clock = process?.clock ?? this.#cluster.clock;
    return new Promise((resolve) => clock.after(delayMs, resolve));
  }

  #trace(what: string): void {
    this.#cluster.trace?.add(what, this.id);
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
  readonly trace: TraceHash | null;
  readonly #options: ClusterOptions;

  constructor(options: ClusterOptions = {}) {
    const { seed = 1, size = 3, trace = null } = options;
    this.#options = options;
    this.random = seededRandom(seed);
    this.peers = new PeerNetwork(this.clock, this.random);
    this.clients = new ClientNetwork(
      this.clock,
      this.random,
      (address) => this.nodes.find((node) => node.address === address)?.server,
    );
    this.nodes = Array.from({ length: size }, (_, i) => new TestNode(this, `n${i + 1}`, options));
    this.trace = trace;
    if (trace === null) return;
    this.peers.trace = trace;
    this.clients.trace = trace;
    this.clock.onTimer = (atMs, order) => trace.add(atMs, order);
  }

  /** A new cluster that has a leader. */
  static async start(options: ClusterOptions = {}): Promise<EngineCluster> {
    const cluster = new EngineCluster(options);
    await cluster.begin();
    return cluster;
  }

  async begin(): Promise<void> {
    const starts = this.nodes.map((node) => node.start({ newCluster: clusterName }));
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

  get disks(): ReadonlyMap<string, MemoryDisk> {
    return new Map(this.nodes.map(({ id, disk }) => [id, disk]));
  }

  /** A client whose process has its own clock; `clients.leaveClient` when that ends. */
  client(name = 'client', clock = new ProcessClock(this.clock, 0)): Client {
    return createClient({
      transport: this.clients.transport(name, clock),
      clock,
      random: this.random,
      uploadedBodyBytesMin,
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
