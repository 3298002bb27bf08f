/**
 * How much may be taken from the nodes. A node that forgets what it has promised costs a quorum its
 * word when too many do at a time; rot costs nothing while one good copy of each batch stays.
 */
import type { LogLogService } from '../../proto/service.js';
import type { TestNode } from '../engine/cluster.js';
import type { World } from './world.js';

/** A node that has come back this late with what nobody knows it lacks will not be noticed. */
const noticeMsMax = 120_000;

interface Lapse {
  /** Of the log that it has to have again. */
  readonly endOffset: number;
  /** That ran then. */
  readonly process: LogLogService | undefined;
}

export class Promises {
  readonly #world: World;
  /** Nodes that forgot. */
  readonly #forgetful = new Map<TestNode, Lapse>();
  readonly #rotten = new Set<TestNode>();
  /** Nodes whose disks are still to lose something. */
  readonly #doomed = new Set<TestNode>();
  /** What only a peer can notice, as long as it runs and remembers: until when that takes. */
  #hidden: { readonly node: TestNode; readonly untilMs: number } | null = null;

  constructor(world: World) {
    this.#world = world;
  }

  /** At most a minority at a time, and none while copies are bad elsewhere. */
  mayForget(node: TestNode): boolean {
    if (!this.#world.isDemanding) return true;
    this.#review();
    const { nodes } = this.#world;
    const others = [...this.#forgetful.keys()].filter((one) => one !== node).length;
    const areOthersWhole = [...this.#rotten].every((one) => one === node);
    return areOthersWhole && 2 * (others + 1) < nodes.length;
  }

  /** Whether the others are there, undisturbed, and remember all that the node has said. */
  mayForgetUnnoticed(node: TestNode): boolean {
    const { nodes, monitor, isUndisturbed } = this.#world;
    if (!isUndisturbed || !this.isEverythingWhole || !this.mayForget(node)) return false;
    return nodes.every((one) => monitor.isCaughtUp(one));
  }

  forget(node: TestNode): void {
    this.#world.monitor.distrust(node, 'forgetful');
    const { committedEnd } = this.#world.monitor;
    this.#forgetful.set(node, { endOffset: committedEnd, process: node.reachable });
  }

  /** The same, where the node itself cannot know: no other fault comes until it does. */
  forgetUnnoticed(node: TestNode): void {
    this.forget(node);
    const untilMs = this.#world.cluster.clock.monotonicMs() + noticeMsMax;
    this.#hidden = { node, untilMs };
  }

  /** Its disk will lie, and it counts as good no sooner than that is over. */
  doom(node: TestNode): void {
    this.forgetUnnoticed(node);
    this.#doomed.add(node);
  }

  endDoom(node: TestNode): void {
    this.#doomed.delete(node);
  }

  get isNothingHidden(): boolean {
    if (this.#hidden === null) return true;
    this.#review();
    const { node, untilMs } = this.#hidden;
    if (!this.#forgetful.has(node)) {
      this.#hidden = null;
      return true;
    }
    const { cluster, monitor } = this.#world;
    if (cluster.clock.monotonicMs() < untilMs) return false;
    this.#hidden = null;
    if (monitor.isCaughtUp(node)) {
      // What a misdirected write has hit may lie where nothing is read before the scrubber does.
      this.#forgetful.delete(node);
      this.#rotten.add(node);
    } else {
      monitor.report(`${node.id} has not come back in ${noticeMsMax} ms`);
    }
    return true;
  }

  /** No node lacks anything that others would have to give it. */
  get isEverythingWhole(): boolean {
    this.#review();
    return this.#forgetful.size === 0 && this.#rotten.size === 0;
  }

  /** Each segment has one node that keeps a good copy. Without a need to survive, none has. */
  mayRot(node: TestNode, segmentBase: number): boolean {
    const { isDemanding, nodes, plan, monitor } = this.#world;
    if (!isDemanding) return true;
    this.#review();
    const segment = Math.floor(segmentBase / (plan.node.segmentBytesMax ?? 1));
    const keeper = nodes[segment % nodes.length];
    if (keeper === undefined || node === keeper) return false;
    return this.#forgetful.size === 0 && monitor.isCaughtUp(keeper);
  }

  rot(node: TestNode): void {
    this.#world.monitor.distrust(node, 'rotten');
    this.#rotten.add(node);
  }

  /** Whoever has all that is committed again, and all of it good, counts again. */
  #review(): void {
    const { monitor } = this.#world;
    for (const [node, { endOffset, process }] of this.#forgetful) {
      // What a process keeps in memory it misses only when it starts again.
      if (node.reachable === process || this.#doomed.has(node)) continue;
      if (monitor.isWhole(node, endOffset)) this.#forgetful.delete(node);
    }
    for (const node of this.#rotten) {
      if (monitor.isWhole(node, monitor.committedEnd)) this.#rotten.delete(node);
    }
  }
}
