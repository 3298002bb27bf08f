/** What the faults, the clients and the checks of one run share. */
import type { EngineCluster, TestNode } from '../engine/cluster.js';
import type { Target } from './plan.js';
import { Dice } from './dice.js';
import type { Monitor } from './invariants.js';
import type { Plan } from './plan.js';
import { Promises } from './promises.js';
import { Supervisor } from './supervisor.js';
import type { Story } from './story.js';

export class World {
  readonly cluster: EngineCluster;
  readonly plan: Plan;
  readonly story: Story;
  readonly monitor: Monitor;
  readonly supervisor: Supervisor;
  readonly promises: Promises;
  readonly dice: Dice;
  /** How often each fault was really injected. */
  readonly counts: Record<string, number> = {};
  /** Machines that lost power, and processes that were killed. */
  crashes = 0;
  readonly #heals = new Set<() => void>();

  constructor(cluster: EngineCluster, plan: Plan, story: Story, monitor: Monitor) {
    this.cluster = cluster;
    this.plan = plan;
    this.story = story;
    this.monitor = monitor;
    this.dice = new Dice(plan.seed).stream('world');
    this.supervisor = new Supervisor(this);
    this.promises = new Promises(this);
  }

  get nodes(): readonly TestNode[] {
    return this.cluster.nodes;
  }

  /** The target of a fault; whoever led last counts as the leader. */
  target(target: Target): TestNode {
    const index = target === 'leader' ? this.monitor.leaderIndex : target;
    return this.node(index);
  }

  node(index: number): TestNode {
    const node = this.nodes[index % this.nodes.length];
    if (node === undefined) throw new Error('a cluster has nodes');
    return node;
  }

  after(delayMs: number, run: () => void): void {
    this.cluster.clock.after(delayMs, run);
  }

  /** Undoes what a fault did: after this time, or before it at `healAll`. */
  healAfter(delayMs: number, heal: () => void): void {
    this.#heals.add(heal);
    this.after(delayMs, () => {
      if (this.#heals.delete(heal)) heal();
    });
  }

  /** No fault is there that has not healed, and no node is down. */
  get isUndisturbed(): boolean {
    return this.#heals.size === 0 && this.nodes.every((node) => node.reachable !== undefined);
  }

  healAll(): void {
    for (const heal of this.#heals) heal();
    this.#heals.clear();
  }

  /** Whether clients have to be served in the end, and told nothing that no fault explains. */
  get isDemanding(): boolean {
    return this.plan.mode === 'survive';
  }

  say(what: string): void {
    this.story.say(what);
  }
}
