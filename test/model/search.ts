/** Breadth first, so that what it finds first is as short as can be. */
import { Cluster } from './cluster.js';
import { Frontier } from './frontier.js';
import type { Scope } from './scope.js';
import { tell } from './story.js';
import { Visited } from './visited.js';
import type { World } from './world.js';

export interface Violation {
  readonly promise: string;
  /** What happened, one line each. */
  readonly story: readonly string[];
}

export interface Found {
  readonly scope: string;
  readonly states: number;
  readonly transitions: number;
  /** Happenings on the way to the last state. */
  readonly depth: number;
  /** Whether there is nothing left within the scope. */
  readonly exhausted: boolean;
  readonly violation: Violation | null;
  /** Steps of real cores, and different states of one node. */
  readonly steps: number;
  readonly nodeStates: number;
}

/** Looks at up to `statesMax` states; `onLevel` hears of every depth that is done. */
export function search(
  scope: Scope,
  statesMax: number,
  onLevel: (depth: number, states: number) => void = () => undefined,
): Found {
  return new Search(scope, statesMax).run(onLevel);
}

class Search {
  readonly #cluster: Cluster;
  readonly #statesMax: number;
  readonly #visited: Visited;
  readonly #frontier = new Frontier();
  /** For each state in the order of its discovery: where it comes from, by which choice. */
  readonly #parents: Uint32Array;
  readonly #choices: Uint16Array;
  #transitions = 0;
  #depth = 0;
  #violation: Violation | null = null;

  constructor(scope: Scope, statesMax: number) {
    this.#cluster = new Cluster(scope);
    this.#statesMax = statesMax;
    this.#visited = new Visited(statesMax);
    this.#parents = new Uint32Array(statesMax);
    this.#choices = new Uint16Array(statesMax);
  }

  run(onLevel: (depth: number, states: number) => void): Found {
    const first = this.#cluster.start();
    this.#visited.add(...this.#cluster.fingerprint(first));
    this.#frontier.push(first);
    let levelEnd = 1;
    let expanded = 0;
    for (let world = this.#frontier.shift(); world !== null; world = this.#frontier.shift()) {
      this.#expand(world, expanded);
      if (this.#isOver()) break;
      expanded += 1;
      if (expanded < levelEnd) continue;
      this.#depth += this.#visited.size > levelEnd ? 1 : 0;
      levelEnd = this.#visited.size;
      onLevel(this.#depth, levelEnd);
    }
    return {
      scope: this.#cluster.scope.name,
      states: this.#visited.size,
      transitions: this.#transitions,
      depth: this.#depth,
      exhausted: !this.#isOver(),
      violation: this.#violation,
      steps: this.#cluster.steps,
      nodeStates: this.#cluster.nodeStates,
    };
  }

  #isOver(): boolean {
    return this.#violation !== null || this.#visited.size >= this.#statesMax;
  }

  #expand(world: World, number: number): void {
    for (const [index, choice] of this.#cluster.choices(world).entries()) {
      try {
        const next = this.#cluster.follow(world, choice);
        this.#transitions += 1;
        if (next === null) continue;
        const count = this.#visited.size;
        if (!this.#visited.add(...this.#cluster.fingerprint(next))) continue;
        this.#parents[count] = number;
        this.#choices[count] = index;
        this.#cluster.check(next);
        this.#frontier.push(next);
      } catch (error) {
        this.#violation = this.#tell(number, index, error);
      }
      if (this.#isOver()) return;
    }
  }

  /** How the state with this number was reached, and what broke there. */
  #tell(number: number, lastChoice: number, error: unknown): Violation {
    const path = [lastChoice];
    for (let at = number; at !== 0; at = this.#parents[at] ?? 0) path.push(this.#choices[at] ?? 0);
    const promise = error instanceof Error ? error.message : String(error);
    return { promise, story: tell(this.#cluster, path.reverse()) };
  }
}
