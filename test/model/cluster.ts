/**
 * What follows from what. What one node does depends on that node alone, so every pair of a node's
 * state and a happening is worked out by the real core once, and remembered.
 */
import { firstIncarnation } from '../../server/raft/types.js';
import type { Chain } from './chain.js';
import { endOf } from './chain.js';
import { abilitiesOf, choicesIn } from './choices.js';
import type { Abilities, Choice, Delivery } from './choices.js';
import type { Message } from '../../server/raft/types.js';
import { Interner } from './interner.js';
import type { NodeState } from './node.js';
import { directoryOf, newNode, nodeIds } from './node.js';
import type { Commit, Face } from './promises.js';
import { checkCommitted, checkPair, demand, faceOf } from './promises.js';
import type { Scope } from './scope.js';
import type { Happening, Parcel } from './step.js';
import { happen } from './step.js';
import type { Counted, World } from './world.js';
import { fingerprint, joined, unitOf } from './world.js';

interface Transition {
  readonly node: number;
  readonly sent: readonly number[];
  readonly committed: Chain | null;
  readonly elected: number | null;
}

/** More than there are faces or logs in any search: pairs of them have one number. */
const pairFactor = 2 ** 24;

export class Cluster {
  readonly scope: Scope;
  /** Steps of real cores. */
  steps = 0;
  readonly #nodes = new Interner();
  readonly #happenings = new Interner();
  readonly #commits = new Interner();
  readonly #faces = new Interner();
  /** By the number of a node's state. */
  readonly #abilities: Abilities[] = [];
  readonly #faceOf: number[] = [];
  readonly #transitions: Map<number, Transition>[] = [];
  readonly #deliveries = new Map<number, Delivery>();
  readonly #checkedPairs = new Set<number>();
  /** By face and commits: whether the node has all of that on its disk, or is known to lack it. */
  readonly #holds = new Map<number, boolean>();

  constructor(scope: Scope) {
    this.scope = scope;
  }

  start(): World {
    const nodes = nodeIds.map((id) => this.#internNode(newNode(id, this.scope)));
    const committed = this.#commits.id([]);
    const empty = { nodes, committed, ledTerms: 0, counters: 0, wire: [] };
    return this.scope.beginning === 'empty' ? empty : this.#copyAll(this.#lead(empty));
  }

  /** The first node campaigns; then it and the second do what they can until that is committed. */
  #lead(empty: World): World {
    const isMeant = ({ index, happening }: Choice): boolean => {
      const { type } = this.happening(happening);
      if (index > 1) return false;
      if (type === 'deliver') return this.delivery(happening).from <= 1;
      return type === 'save' || type === 'sync' || type === 'report';
    };
    let choice = this.choices(empty).find((first) => this.#isTimeout(first));
    let world = empty;
    while (this.committedEnd(world) === 0) {
      if (choice === undefined) throw new Error('nobody comes to lead');
      world = this.follow(world, choice) ?? world;
      const now = world;
      choice = this.choices(now).find((next) => isMeant(next) && this.follow(now, next) !== null);
    }
    return world;
  }

  #copyAll(world: World): World {
    if (this.scope.copiesMax === 0) return world;
    const nodes = world.nodes.map((id) => {
      const node = this.node(id);
      return this.#internNode({ ...node, copy: directoryOf(node) });
    });
    return { ...world, nodes };
  }

  /** Everything that can happen, always in the same order. */
  choices(world: World): Choice[] {
    return choicesIn(world, this);
  }

  /** The state after it; null if nothing changes. Throws if a promise is broken. */
  follow(world: World, choice: Choice): World | null {
    const { index, happening, counted, partner } = choice;
    if (partner === null) return this.#happen(world, index, happening, counted);
    return this.#isTimeout(choice)
      ? this.#elect(world, index, happening, partner)
      : this.#putBack(world, choice, partner);
  }

  #isTimeout({ happening }: Choice): boolean {
    return this.happening(happening).type === 'timeout';
  }

  /** The request and its answer travel in no time, and nobody else ever gets any. */
  #elect(world: World, index: number, timeout: number, voter: number): World {
    const request = this.#sent(world, index, timeout, voter);
    const { wire } = world;
    const asking = { ...(this.#happen(world, index, timeout, null) ?? world), wire };
    if (request === undefined || !this.#isAlive(asking.nodes, request)) return asking;
    const asked = this.delivery(request).impatient ?? request;
    const reply = this.#sent(asking, voter, asked, index);
    const answered = this.#happen(asking, voter, asked, null) ?? asking;
    if (reply === undefined) return answered;
    const rest = answered.wire.filter((parcel) => parcel !== reply);
    const decided = { ...answered, wire: rest };
    return this.#happen(decided, index, reply, null) ?? decided;
  }

  /**
   * The copy is met by one node, which notices at once that it is older; null if it does not. What
   * happens where nobody notices is not promised.
   */
  #putBack(world: World, choice: Choice, partner: number): World | null {
    const { index, happening, counted } = choice;
    if (this.#ableAt(world, partner).saves) return null;
    const returned = this.#happen(world, index, happening, counted) ?? world;
    const { state } = this.#ableAt(returned, index);
    const relink = this.happeningId({ type: 'relink', peer: nodeIds[index] ?? '', state });
    const told = this.#sent(returned, partner, relink, index, 'forgotten');
    const noticed = this.#happen(returned, partner, relink, null);
    if (told === undefined || noticed === null) return null;
    return this.#happen(noticed, index, told, null);
  }

  #ableAt(world: World, index: number): Abilities {
    return this.abilities(world.nodes[index] ?? 0);
  }

  /** What one node sends to another when something happens to it. */
  #sent(
    world: World,
    index: number,
    happening: number,
    to: number,
    type?: Message['type'],
  ): number | undefined {
    const { sent } = this.#transition(world.nodes[index] ?? 0, happening);
    return sent.find((parcel) => {
      const delivery = this.delivery(parcel);
      return delivery.to === to && (type ?? delivery.type) === delivery.type;
    });
  }

  #happen(world: World, index: number, happening: number, counted: Counted | null): World | null {
    const before = world.nodes[index] ?? 0;
    const { node, sent, committed, elected } = this.#transition(before, happening);
    const all = sent.length === 0 ? world.wire : joined(world.wire, sent);
    if (node === before && all === world.wire && counted === null) return null;
    const nodes = world.nodes.with(index, node);
    const isRenewed = nodes.some((id) => this.abilities(id).state.incarnation > firstIncarnation);
    const wire = isRenewed ? all.filter((parcel) => this.#isAlive(nodes, parcel)) : all;
    return {
      nodes,
      committed: committed === null ? world.committed : this.#commit(world, committed, node),
      ledTerms: elected === null ? world.ledTerms : lead(world.ledTerms, elected),
      counters: world.counters + (counted === null ? 0 : unitOf(counted)),
      wire,
    };
  }

  /** Whether the parcel can arrive, now or later, and be heard. */
  #isAlive(nodes: readonly number[], parcel: number): boolean {
    const { from, to, incarnations } = this.delivery(parcel);
    const sender = this.abilities(nodes[from] ?? 0).state;
    const receiver = this.abilities(nodes[to] ?? 0);
    // Who has met nobody yet can only meet the one that is there.
    const met = receiver.met[from] || sender.incarnation;
    return incarnations[0] >= met && incarnations[1] === receiver.state.incarnation;
  }

  /** Throws if a promise between nodes is broken. */
  check(world: World): void {
    const [a = 0, b = 0, c = 0] = world.nodes.map((node) => this.#faceOf[node] ?? 0);
    this.#checkPair(a, b);
    this.#checkPair(a, c);
    this.#checkPair(b, c);
    let holders = 0;
    for (const face of [a, b, c]) if (this.#holdsAll(face, world.committed)) holders += 1;
    demand(2 * holders > nodeIds.length, 'a quorum holds what is committed');
  }

  fingerprint(world: World): readonly [number, number] {
    return fingerprint(world, this.#nodes, this.#commits, this.#happenings);
  }

  abilities(node: number): Abilities {
    const abilities = this.#abilities[node];
    if (abilities === undefined) throw new Error(`there is no state ${node}`);
    return abilities;
  }

  committedEnd(world: World): number {
    return endOf(this.#commits.value<Commit[]>(world.committed).at(-1)?.log ?? '');
  }

  happeningId(happening: Happening): number {
    return this.#happenings.id(happening);
  }

  happening(id: number): Happening {
    return this.#happenings.value<Happening>(id);
  }

  node(id: number): NodeState {
    return this.#nodes.value<NodeState>(id);
  }

  /** Different states of one node. */
  get nodeStates(): number {
    return this.#nodes.size;
  }

  delivery(parcel: number): Delivery {
    const known = this.#deliveries.get(parcel) ?? this.#describe(parcel);
    this.#deliveries.set(parcel, known);
    return known;
  }

  #describe(parcel: number): Delivery {
    const happening = this.happening(parcel);
    if (happening.type !== 'deliver') throw new Error('only parcels are on the wire');
    const { from, to, incarnations, message } = happening.parcel;
    const isRequest = message.type === 'voteRequest';
    return {
      type: message.type,
      from: nodeIds.indexOf(from),
      to: nodeIds.indexOf(to),
      incarnations,
      beginsTerm: message.type === 'timeoutNow',
      impatient: isRequest ? this.happeningId({ ...happening, patient: false }) : null,
    };
  }

  #transition(node: number, happening: number): Transition {
    const known = this.#transitions[node]?.get(happening);
    if (known !== undefined) return known;
    const outcome = happen(this.node(node), this.happening(happening), this.scope);
    this.steps += 1;
    const { committed, elected } = outcome;
    const sent = outcome.sent.map((parcel) => this.#internParcel(parcel));
    const transition = { node: this.#internNode(outcome.node), sent, committed, elected };
    this.#transitions[node]?.set(happening, transition);
    return transition;
  }

  #internParcel(parcel: Parcel): number {
    return this.happeningId({ type: 'deliver', parcel, patient: true });
  }

  #internNode(node: NodeState): number {
    const id = this.#nodes.id(node);
    if (id === this.#faceOf.length) {
      this.#faceOf.push(this.#faces.id(faceOf(node)));
      this.#abilities.push(abilitiesOf(node));
      this.#transitions.push(new Map());
    }
    return id;
  }

  #commit(world: World, committed: Chain, node: number): number {
    const commits = this.#commits.value<Commit[]>(world.committed);
    const longest = commits.at(-1)?.log ?? '';
    if (longest.startsWith(committed)) return world.committed;
    demand(committed.startsWith(longest), 'what is committed never changes');
    const { role, term } = this.abilities(node);
    demand(role === 'leader', 'the leader is the first to commit');
    const earlier = commits.filter((commit) => commit.term !== term);
    return this.#commits.id([...earlier, { term, log: committed }]);
  }

  #checkPair(one: number, other: number): void {
    const key = one * pairFactor + other;
    if (this.#checkedPairs.has(key)) return;
    checkPair(this.#faces.value<Face>(one), this.#faces.value<Face>(other));
    this.#checkedPairs.add(key);
  }

  #holdsAll(face: number, committed: number): boolean {
    const key = face * pairFactor + committed;
    const known = this.#holds.get(key);
    if (known !== undefined) return known;
    const value = this.#faces.value<Face>(face);
    const commits = this.#commits.value<Commit[]>(committed);
    checkCommitted(value, commits);
    const isLost = !value.isAdmitted;
    const holds = isLost || value.sure.startsWith(commits.at(-1)?.log ?? '');
    this.#holds.set(key, holds);
    return holds;
  }
}

function lead(ledTerms: number, term: number): number {
  demand((ledTerms & (1 << term)) === 0, 'election safety: one leader a term');
  return ledTerms | (1 << term);
}
