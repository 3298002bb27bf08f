/** The nodes of a run as processes, what they are doing, and the ends that nobody asked for. */
import { setTimeout as sleep } from 'node:timers/promises';
import { join } from 'node:path';
import { freeBasePort } from '../../cli/ports.js';
import type { NodePlan } from '../../cli/processes.js';
import { planNodes } from '../../cli/processes.js';
import type { Client, ReachableNode } from '../../index.js';
import { connect } from '../../index.js';
import { assert } from '../../proto/errors.js';
import { Network } from './network.js';
import type { ProcessEnd } from './node-process.js';
import { NodeProcess } from './node-process.js';
import type { Story } from './story.js';
import type { Volumes } from './volumes.js';

export const electionTimeoutMs = 500;

/** Small, so that a run has many; a node fills a segment ahead, which a full disk stops. */
const segmentBytes = 256 * 1024;

/** Under all faults at once a start may have to read, repair or fetch a lot. */
const startTimeoutMs = 60_000;

const statusTimeoutMs = 500;
const statusPollMs = 100;
const restartDelayMs = 1000;
/** Rot in what nobody reads is found by the scrubber alone. */
const scrubInterval = '1s';
/** Often, so that a start does not read what is before the newest one. */
const checkpointBytes = 2 * segmentBytes;
/** Ends that nobody asked for, of one node; then it stays down. */
const deathsMax = 5;

export class NemesisCluster {
  readonly ids: readonly string[];
  readonly network: Network;
  readonly volumes: Volumes;
  readonly #plans: readonly NodePlan[];
  readonly #logDirectory: string;
  readonly #story: Story;
  readonly #processes = new Map<string, NodeProcess>();
  readonly #deaths = new Map<string, number>();
  /** Nodes whose files somebody is changing: nobody else may start them. */
  readonly #claimed = new Set<string>();
  #control: Client | undefined;
  #isCalm = false;
  #isClosed = false;

  private constructor(
    plans: readonly NodePlan[],
    network: Network,
    volumes: Volumes,
    logDirectory: string,
    story: Story,
  ) {
    this.ids = plans.map(({ id }) => id);
    this.network = network;
    this.volumes = volumes;
    this.#plans = plans;
    this.#logDirectory = logDirectory;
    this.#story = story;
  }

  /** Nodes that do not run yet. */
  static async plan(
    count: number,
    clients: readonly string[],
    volumes: Volumes,
    logDirectory: string,
    story: Story,
  ): Promise<NemesisCluster> {
    const plans = planNodes(volumes.root, await freeBasePort(count), count);
    const network = await Network.start(clients, plans);
    return new NemesisCluster(plans, network, volumes, logDirectory, story);
  }

  /** Begins the cluster. */
  async create(): Promise<void> {
    const creation = ['--new-cluster', 'nemesis', '--segment-bytes', String(segmentBytes)];
    await Promise.all(this.ids.map((id) => this.#startOrFail(id, creation)));
    this.#control = await connect(this.#plans.map(({ address }) => address));
  }

  /** A client with direct links that no fault touches, to look and not to append. */
  get control(): Client {
    assert(this.#control !== undefined, 'the cluster has begun');
    return this.#control;
  }

  /** Where a node says that it serves clients, without any proxy. */
  addressOf(id: string): string {
    return this.#planOf(id).address;
  }

  logFileOf(id: string): string {
    return join(this.#logDirectory, `${id}.log`);
  }

  isRunning(id: string): boolean {
    return this.#processes.get(id)?.isRunning === true;
  }

  /** Changes with every start of the node. */
  process(id: string): NodeProcess | undefined {
    return this.#processes.get(id);
  }

  /** Nodes that run on and that nobody has claimed; none while there is calm. */
  get targets(): string[] {
    if (this.#isCalm) return [];
    // Who ends a node starts it again, which a claim would forbid.
    const isFree = (id: string) => !this.#claimed.has(id) && this.process(id)?.isEnding === false;
    return this.ids.filter((id) => this.isRunning(id) && isFree(id));
  }

  /** Whether no other fault may begin. */
  get isCalm(): boolean {
    return this.#isCalm;
  }

  /** Heals what other faults have done, waits until every node serves, and keeps it so for `work`. */
  async calmly(work: () => Promise<void>): Promise<void> {
    this.#isCalm = true;
    try {
      this.network.heal();
      for (const process of this.#processes.values()) process.resume();
      if (await this.#allServe()) await work();
    } finally {
      this.#isCalm = false;
    }
  }

  /** Keeps others from starting the node while its files are changed. */
  claim(id: string): void {
    this.#claimed.add(id);
  }

  release(id: string): void {
    this.#claimed.delete(id);
  }

  get isAnyClaimed(): boolean {
    return this.#claimed.size > 0;
  }

  async kill(ids: readonly string[]): Promise<void> {
    await Promise.all(ids.flatMap((id) => this.process(id)?.kill() ?? []));
  }

  /**
   * The usual command, without --new-cluster. Resolves once the node serves, or with how it ended
   * before that; a node that runs already is left alone.
   */
  async start(id: string, more: readonly string[] = []): Promise<ProcessEnd | undefined> {
    const running = this.#processes.get(id);
    if (running?.isRunning === true) return running.serving();
    const process = new NodeProcess([...this.#serveArguments(id), ...more], this.logFileOf(id));
    this.#processes.set(id, process);
    const waiting = new AbortController();
    const late = sleep(startTimeoutMs, 'late' as const, waiting).catch(() => undefined);
    const result = await Promise.race([process.serving(), late]);
    waiting.abort();
    if (result !== undefined && result !== 'late') return result;
    if (result === 'late') {
      this.#story.problem(`${id} does not serve within ${startTimeoutMs} ms of its start`);
    }
    void this.#watch(id, process);
    return undefined;
  }

  /** A start that is a problem if it fails. */
  async restart(id: string): Promise<void> {
    if (this.#isClosed || this.#claimed.has(id)) return;
    const end = await this.start(id);
    if (end?.isUnexpected === true) this.#tellDeath(id, end, 'while starting');
  }

  /** Undefined where a node does not answer. */
  async statuses(): Promise<Map<string, ReachableNode>> {
    const { nodes } = await this.control.status({ timeoutMs: statusTimeoutMs });
    return new Map(nodes.flatMap((node) => (node.reachable ? [[node.id, node] as const] : [])));
  }

  async leader(): Promise<string | undefined> {
    return leaderOf(await this.statuses())?.id;
  }

  /**
   * Waits until the node counts and has committed what any of those that answer has by now, once a
   * majority does; undefined if it takes longer.
   */
  async caughtUp(id: string, timeoutMs: number): Promise<ReachableNode | undefined> {
    const end = performance.now() + timeoutMs;
    let goal: number | undefined;
    while (performance.now() < end) {
      const nodes = await this.statuses();
      if (nodes.size > this.ids.length / 2) {
        goal ??= Math.max(...[...nodes.values()].map(({ commitOffset }) => commitOffset));
      }
      const node = nodes.get(id);
      if (node?.admitted === true && goal !== undefined && node.commitOffset >= goal) return node;
      await sleep(statusPollMs);
    }
    return undefined;
  }

  /** Waits until all nodes have committed the same; undefined, or what they say instead. */
  async settled(timeoutMs: number): Promise<string | undefined> {
    const end = performance.now() + timeoutMs;
    for (;;) {
      const nodes = await this.statuses();
      const states = this.ids.map((id) => {
        const node = nodes.get(id);
        return node === undefined ? `${id} does not answer` : `${node.commitOffset} ${node.chain}`;
      });
      if (new Set(states).size === 1 && nodes.size === this.ids.length) return undefined;
      if (performance.now() > end) return states.join('; ');
      await sleep(200);
    }
  }

  /** SIGTERM to every node. Tells as a problem which one did not end as it should. */
  async stop(): Promise<void> {
    this.#isClosed = true;
    await this.#control?.close();
    await Promise.all(this.ids.map((id) => this.terminate(id)));
  }

  async terminate(id: string): Promise<void> {
    if (!this.isRunning(id)) return;
    const process = this.process(id);
    const end = await process?.end('SIGTERM');
    if (end === undefined || end.how === 'exit status 0' || process?.isKilled === true) return;
    this.#story.problem(`${id} ended with ${end.how} on SIGTERM`, end.lastLines);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.kill(this.ids);
    await this.#control?.close({ timeoutMs: 100 });
    await this.network.close();
  }

  /** For an exit handler. */
  abandon(): void {
    for (const process of this.#processes.values()) process.abandon();
  }

  /** False, which has been told, if it takes longer than a start may. */
  async #allServe(): Promise<boolean> {
    const end = performance.now() + startTimeoutMs;
    while ((await this.statuses()).size < this.ids.length) {
      if (performance.now() > end) {
        this.#story.problem(`not every node serves after ${startTimeoutMs} ms of calm`);
        return false;
      }
      await sleep(statusPollMs);
    }
    return true;
  }

  async #startOrFail(id: string, more: readonly string[]): Promise<void> {
    const end = await this.start(id, more);
    if (end !== undefined) throw new Error(`${id}: ${end.how}\n${end.lastLines.join('\n')}`);
  }

  /** A node that ends by itself is a problem, and is started again. */
  async #watch(id: string, process: NodeProcess): Promise<void> {
    const end = await process.ended;
    if (!end.isUnexpected || this.#isClosed) return;
    this.#tellDeath(id, end, 'while running');
    const deaths = (this.#deaths.get(id) ?? 0) + 1;
    this.#deaths.set(id, deaths);
    if (deaths > deathsMax) return;
    await sleep(restartDelayMs);
    await this.restart(id);
  }

  #tellDeath(id: string, { how, lastLines }: ProcessEnd, when: string): void {
    this.#story.problem(`${id} ended by itself ${when}: ${how}`, lastLines);
  }

  #planOf(id: string): NodePlan {
    const plan = this.#plans.find((one) => one.id === id);
    assert(plan !== undefined, `${id} is a node`);
    return plan;
  }

  /** Every other node is where this node's own proxy to it listens. */
  #serveArguments(id: string): string[] {
    const { address, peerAddress } = this.#planOf(id);
    const peers = this.ids.map(
      (other) => `${other}=${other === id ? peerAddress : this.network.address(id, other)}`,
    );
    return [
      ...['serve', '--id', id, '--data', this.volumes.dataOf(id), '--listen', address],
      ...['--peer-listen', peerAddress, '--peers', peers.join(',')],
      ...['--election-timeout', `${electionTimeoutMs}ms`, '--log-level', 'info'],
      ...['--scrub-interval', scrubInterval, '--checkpoint-bytes', String(checkpointBytes)],
    ];
  }
}

/** The node that leads in the highest term. */
export function leaderOf(nodes: ReadonlyMap<string, ReachableNode>): ReachableNode | undefined {
  const leaders = [...nodes.values()].filter(({ role }) => role === 'leader');
  return leaders.sort((a, b) => b.term - a.term)[0];
}
