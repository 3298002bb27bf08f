/** All clients of a run. */
import type { World } from '../world.js';
import { Actor } from './actor.js';
import { append, appendAndDie, appendWhereExpected, fence, write } from './appending.js';
import { abandon, flood, lie, share, storm } from './hostile.js';
import type { Position } from './reading.js';
import { askForTheEnd, page, tail, wait } from './reading.js';
import type { Recorder } from './recorder.js';

const appending = {
  writer: write,
  appender: append,
  expecting: appendWhereExpected,
  fencing: fence,
  dying: appendAndDie,
  liar: lie,
  storm,
  twins: share,
  abandoning: abandon,
  flood,
} as const;

const reading = { tail, tail2: tail, pages: page, waiting: wait, end: askForTheEnd } as const;

export type ClientKind = keyof typeof appending | keyof typeof reading;

/** How many of the runs have it. */
type Usual = 'always' | 'often' | 'seldom';

export const clientKinds: readonly {
  readonly kind: ClientKind;
  readonly usual: Usual;
  readonly appends: boolean;
}[] = [
  { kind: 'writer', usual: 'always', appends: true },
  { kind: 'appender', usual: 'always', appends: true },
  { kind: 'expecting', usual: 'often', appends: true },
  { kind: 'fencing', usual: 'often', appends: true },
  { kind: 'dying', usual: 'often', appends: true },
  { kind: 'liar', usual: 'often', appends: true },
  { kind: 'storm', usual: 'often', appends: true },
  { kind: 'twins', usual: 'often', appends: true },
  { kind: 'abandoning', usual: 'often', appends: true },
  { kind: 'flood', usual: 'seldom', appends: false },
  { kind: 'tail', usual: 'always', appends: false },
  { kind: 'tail2', usual: 'often', appends: false },
  { kind: 'pages', usual: 'often', appends: false },
  { kind: 'waiting', usual: 'often', appends: false },
  { kind: 'end', usual: 'always', appends: false },
];

export class Workload {
  readonly #actors: readonly Actor[];
  readonly #positions = new Set<Position>();
  readonly #running: Promise<unknown>;

  constructor(world: World, recorder: Recorder) {
    this.#actors = world.plan.clients.map((plan) => new Actor(world, plan, recorder));
    this.#running = Promise.all(this.#actors.map((actor) => this.#run(actor)));
    this.#running.catch((error: unknown) => world.monitor.report(`a client: ${String(error)}`));
  }

  /** How far the slowest has got of the tails that these nodes are enough for. */
  slowestTail(ids: readonly string[]): number {
    const able = [...this.#positions].filter(
      ({ node }) => node === undefined || ids.includes(node),
    );
    return Math.min(...able.map(({ next }) => next));
  }

  /** Nothing more is begun; resolves when everything has its answer. */
  async finish(): Promise<void> {
    for (const actor of this.#actors) actor.finish();
    await this.#running;
  }

  async close(): Promise<void> {
    await Promise.all(this.#actors.map((actor) => actor.close()));
  }

  async #run(actor: Actor): Promise<void> {
    const { kind } = actor.plan;
    if (kind in appending) return appending[kind as keyof typeof appending](actor);
    // A tail goes on for ever; how far it has got is asked for elsewhere.
    const isTail = reading[kind as keyof typeof reading] === tail;
    const run = reading[kind as keyof typeof reading](actor, this.#positions);
    return isTail ? undefined : run;
  }
}
