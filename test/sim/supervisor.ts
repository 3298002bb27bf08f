/** Starts nodes, and starts them again when they have ended, as an operator's tools would. */
import type { ErrorCode } from '../../proto/errors.js';
import { LogLogError } from '../../proto/errors.js';
import type { Logger } from '../../server/logger.js';
import type { TestNode } from '../engine/cluster.js';
import type { World } from './world.js';

const restartMs = 2000;

/** Where it could not start, the next try may fail as well. */
const retryMs = 10_000;

/** What nodes may say without anything being wrong with them. */
const passing: ReadonlySet<ErrorCode> = new Set(['DIRECTORY_IN_USE']);

export class Supervisor {
  readonly #world: World;
  /** Nodes that are meant to be down. */
  readonly #held = new Set<TestNode>();
  /** Why a node may stop by itself. */
  readonly #excuses = new Map<TestNode, Set<ErrorCode>>();
  readonly #reaped = new Set<TestNode>();

  constructor(world: World) {
    this.#world = world;
  }

  /** Every node, as a cluster that begins. */
  begin(name: string): Promise<unknown> {
    const { nodes } = this.#world;
    return Promise.all(
      nodes.map((node) => node.start({ newCluster: name, logger: this.#loggerOf(node) })),
    );
  }

  isHeld(node: TestNode): boolean {
    return this.#held.has(node);
  }

  /** It stays down until it is started. */
  hold(node: TestNode): void {
    this.#held.add(node);
  }

  /** The power goes; the node stays down until it is started. */
  crash(node: TestNode, seed: number): void {
    this.#held.add(node);
    this.#world.crashes += 1;
    node.crash(seed);
  }

  /** The process ends, the machine goes on; it stays down until it is started. */
  kill(node: TestNode): void {
    this.#held.add(node);
    this.#world.crashes += 1;
    node.kill();
  }

  /** It is meant to run from now on. */
  start(node: TestNode): void {
    this.#held.delete(node);
    if (node.isRunning) return;
    node.start({ logger: this.#loggerOf(node) }).catch((error: unknown) => {
      this.#failedToStart(node, error);
    });
  }

  /** It ends by itself, and comes back when it is started. */
  stop(node: TestNode): void {
    this.#held.add(node);
    void node.stop();
  }

  /** A fault may make the node stop with this code. */
  excuse(node: TestNode, code: ErrorCode): void {
    const codes = this.#excuses.get(node) ?? new Set();
    this.#excuses.set(node, codes.add(code));
  }

  /** Whether some node may have stopped with it. */
  isExcused(code: ErrorCode): boolean {
    return [...this.#excuses.values()].some((codes) => codes.has(code));
  }

  /** To be called after every event: a process that has failed is replaced. */
  reap(): void {
    for (const node of this.#world.nodes) {
      const { failure } = node;
      if (failure === null || this.#reaped.has(node)) continue;
      this.#reaped.add(node);
      this.#world.say(`${node.id} has stopped: ${failure.message}`);
      this.#judge(node, failure);
      this.#world.after(restartMs, () => {
        this.#reaped.delete(node);
        // It may have been crashed, and started, by a fault meanwhile.
        if (node.failure === null) return;
        node.crash(this.#world.dice.below(2 ** 30));
        if (!this.#held.has(node)) this.start(node);
      });
    }
  }

  #failedToStart(node: TestNode, error: unknown): void {
    this.#world.say(`${node.id} cannot start: ${String(error)}`);
    if (error instanceof LogLogError) this.#judge(node, error);
    else this.#world.monitor.report(`${node.id} cannot start: ${String(error)}`);
    this.#world.after(retryMs, () => {
      if (!this.#held.has(node)) this.start(node);
    });
  }

  #judge(node: TestNode, { code, message, stack }: LogLogError): void {
    if (!this.#world.isDemanding && code !== 'INTERNAL') return;
    if (passing.has(code) || this.#excuses.get(node)?.has(code) === true) return;
    this.#world.monitor.report(`${node.id} stops with ${code}: ${message}\n${stack ?? ''}`);
  }

  #loggerOf(node: TestNode): Logger {
    const say = (fields: object, message: string) =>
      this.#world.say(`${node.id}: ${message} ${JSON.stringify(fields)}`);
    return { debug: () => undefined, info: say, warn: say, error: say };
  }
}
