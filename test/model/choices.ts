/** What can happen next, within the bounds of a scope. */
import { firstIncarnation } from '../../server/raft/types.js';
import type { Message, NodeId, PeerState } from '../../server/raft/types.js';
import { crashImages, directoryOf, nodeIds, peerStateOf } from './node.js';
import type { NodeState } from './node.js';
import type { Scope } from './scope.js';
import type { Happening } from './step.js';
import { countOf } from './world.js';
import type { Counted, World } from './world.js';

/** Something that may happen: to which node, what, and which bound it uses up. */
export interface Choice {
  readonly index: number;
  readonly happening: number;
  readonly counted: Counted | null;
  /** Who takes part at once: votes, where a scope has it so, or notices that a copy is older. */
  readonly partner: number | null;
}

/** What a node's state lets happen to it. */
export interface Abilities {
  readonly role: NodeState['core']['role']['type'];
  readonly term: number;
  /** It waits for a save, and takes no event. */
  readonly saves: boolean;
  readonly hasLeader: boolean;
  readonly leads: boolean;
  readonly mayPropose: boolean;
  /** In the core's eyes: what is synced may not have been reported. */
  readonly unsynced: boolean;
  readonly maySync: boolean;
  readonly mayReport: boolean;
  readonly images: number;
  readonly bodies: readonly number[];
  /** What it greets others with. */
  readonly state: PeerState;
  /** The incarnation of every node that it has met last; 0 if none. */
  readonly met: readonly number[];
}

/** What the choices of a world depend on. */
export interface Surroundings {
  readonly scope: Scope;
  abilities(node: number): Abilities;
  committedEnd(world: World): number;
  happeningId(happening: Happening): number;
  delivery(parcel: number): Delivery;
}

/** What there is to know of a parcel before it is delivered. */
export interface Delivery {
  readonly type: Message['type'];
  readonly from: number;
  readonly to: number;
  /** The sender's and the receiver's. */
  readonly incarnations: readonly [number, number];
  readonly beginsTerm: boolean;
  /** The same to a voter that has not heard its leader for long; null if that is all the same. */
  readonly impatient: number | null;
}

export function abilitiesOf(node: NodeState): Abilities {
  const { role, term, transfer, log, links } = node.core;
  const metOf = (id: NodeId) => links.find(({ peer }) => peer === id)?.incarnation ?? 0;
  const saves = node.queue.length > 0;
  const leads = role.type === 'leader' && !saves;
  return {
    role: role.type,
    term,
    saves,
    hasLeader: role.type === 'follower' && role.leader !== null,
    leads,
    mayPropose: leads && transfer === null && log.endOffset > role.startOffset,
    unsynced: log.durableOffset < log.endOffset,
    // One sync at a time.
    maySync: node.durable !== node.written && node.reports.every(({ type }) => type !== 'synced'),
    mayReport: node.reports.length > 0 && !saves,
    images: crashImages(node).length,
    bodies: node.bodies,
    state: peerStateOf(directoryOf(node)),
    met: nodeIds.map(metOf),
  };
}

export function choicesIn(world: World, around: Surroundings): Choice[] {
  const choices: Choice[] = [];
  for (const [index, node] of world.nodes.entries()) {
    const chooser = new Chooser(world, around, index, around.abilities(node), choices);
    chooser.disk();
    chooser.faults();
    if (around.abilities(node).saves) continue;
    chooser.links();
    chooser.messages();
    chooser.time();
    chooser.clients();
  }
  return choices;
}

class Chooser {
  readonly #world: World;
  readonly #around: Surroundings;
  readonly #index: number;
  readonly #able: Abilities;
  readonly #choices: Choice[];

  constructor(
    world: World,
    around: Surroundings,
    index: number,
    able: Abilities,
    choices: Choice[],
  ) {
    this.#world = world;
    this.#around = around;
    this.#index = index;
    this.#able = able;
    this.#choices = choices;
  }

  disk(): void {
    const { saves, maySync, mayReport } = this.#able;
    if (saves) this.#add({ type: 'save' });
    if (maySync) this.#add({ type: 'sync' });
    if (mayReport) this.#add({ type: 'report' });
  }

  faults(): void {
    const { scope } = this.#around;
    const { images } = this.#able;
    if (this.#isLeft('crashes', scope.crashesMax)) {
      const renewed = this.#renewedPeer();
      for (let image = 0; image < images; image += 1) {
        this.#add({ type: 'crash', image, renewed }, 'crashes');
      }
    }
    if (this.#isLeft('wipes', scope.wipesMax)) this.#add({ type: 'wipe' }, 'wipes');
    if (!this.#isLeft('copies', scope.copiesMax)) return;
    const happening = this.#around.happeningId({ type: 'putBack' });
    for (const partner of this.#others()) {
      this.#choices.push({ index: this.#index, happening, counted: 'copies', partner });
    }
  }

  links(): void {
    const { leads, met } = this.#able;
    const isBreakable = leads && this.#isLeft('relinks', this.#around.scope.relinksMax);
    for (const index of this.#others()) {
      const { state } = this.#ableAt(index);
      const peer = nodeIds[index] ?? '';
      if (state.incarnation !== met[index]) this.#add({ type: 'relink', peer, state });
      else if (isBreakable) this.#add({ type: 'relink', peer, state }, 'relinks');
    }
    const isMeetingStrangers = met.some((incarnation) => incarnation > firstIncarnation);
    if (leads && isMeetingStrangers) this.#add({ type: 'remind' });
  }

  messages(): void {
    const { hasLeader, term } = this.#able;
    for (const parcel of this.#world.wire) {
      const { to, beginsTerm, impatient } = this.#around.delivery(parcel);
      if (to !== this.#index) continue;
      if (beginsTerm && term >= this.#around.scope.termMax) continue;
      this.#choices.push({ index: to, happening: parcel, counted: null, partner: null });
      if (impatient === null || !hasLeader) continue;
      this.#choices.push({ index: to, happening: impatient, counted: null, partner: null });
    }
  }

  time(): void {
    const { leads, term, unsynced } = this.#able;
    const { termMax, ticksMax, stepDownsMax } = this.#around.scope;
    if (!leads && term < termMax) this.#campaign();
    if (!leads) return;
    if (this.#isLeft('ticks', ticksMax)) this.#add({ type: 'heartbeat' }, 'ticks');
    if (!this.#isLeft('stepDowns', stepDownsMax)) return;
    this.#add({ type: 'silence' }, 'stepDowns');
    if (unsynced) this.#add({ type: 'stall' }, 'stepDowns');
  }

  #campaign(): void {
    const happening = this.#around.happeningId({ type: 'timeout' });
    const voters = this.#around.scope.elections === 'together' ? this.#others() : [null];
    for (const partner of voters) {
      this.#choices.push({ index: this.#index, happening, counted: null, partner });
    }
  }

  clients(): void {
    const { leads, mayPropose, bodies } = this.#able;
    const { scope } = this.#around;
    const number = countOf(this.#world, 'proposals');
    if (mayPropose && number < scope.proposalsMax) {
      this.#add({ type: 'propose', number }, 'proposals');
    }
    if (scope.bodies === 'apart' && !leads) {
      for (let body = 0; body < number; body += 1) {
        if (!bodies.includes(body)) this.#add({ type: 'body', number: body });
      }
    }
    if (leads && this.#isLeft('transfers', scope.transfersMax)) {
      for (const index of this.#others()) {
        this.#add({ type: 'transfer', to: nodeIds[index] ?? '' }, 'transfers');
      }
    }
    if (!this.#isLeft('reads', scope.readsMax)) return;
    const id = countOf(this.#world, 'reads') + 1;
    this.#add({ type: 'ask', id, floor: this.#around.committedEnd(this.#world) }, 'reads');
  }

  #add(happening: Happening, counted: Counted | null = null): void {
    const id = this.#around.happeningId(happening);
    this.#choices.push({ index: this.#index, happening: id, counted, partner: null });
  }

  #isLeft(counted: Counted, max: number): boolean {
    return countOf(this.#world, counted) < max;
  }

  #others(): number[] {
    return [...nodeIds.keys()].filter((index) => index !== this.#index);
  }

  #ableAt(index: number): Abilities {
    return this.#around.abilities(this.#world.nodes[index] ?? 0);
  }

  /** The one that has lost what it promised, if any. */
  #renewedPeer(): NodeId | null {
    const renewed = this.#others().find(
      (index) => this.#ableAt(index).state.incarnation !== firstIncarnation,
    );
    return nodeIds[renewed ?? -1] ?? null;
  }
}
