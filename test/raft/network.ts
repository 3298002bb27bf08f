/**
 * Real cores on simulated disks, with a network that does what the test says. Everything happens
 * in the order of the calls, and what is random comes from one seed.
 */
import { Raft } from '../../server/raft/raft.js';
import { firstIncarnation } from '../../server/raft/types.js';
import type {
  Admission,
  Effect,
  Event,
  Mark,
  Message,
  NodeId,
  RaftOptions,
} from '../../server/raft/types.js';
import { SimulatedDisk } from './disk.js';
import type { DiskImage } from './disk.js';
import { Invariants } from './invariants.js';
import { lastOf, marksAfter } from './marks.js';
import { smallOptions } from './small-options.js';

export interface Node {
  readonly id: NodeId;
  readonly disk: SimulatedDisk;
  core: Raft;
  running: boolean;
  /** The log as the core believes it to be, whatever the disk has got to. */
  log: Mark[];
  commitOffset: number;
  /** Effects that the driver has not got to. */
  queue: Effect[];
  /** What the disk has to say to the core. */
  inbox: Event[];
}

export interface Parcel {
  readonly from: NodeId;
  readonly to: NodeId;
  /** The sender's and the receiver's. */
  readonly incarnations: readonly [number, number];
  readonly message: Message;
}

export interface NetworkOptions {
  readonly voters?: readonly NodeId[];
  readonly learners?: readonly NodeId[];
  readonly seed?: number;
  readonly core?: Partial<RaftOptions>;
}

const noopBytes = 5;
const admissionBytes = 3;
const parcelsMax = 20_000;

export class Network {
  readonly nodes = new Map<NodeId, Node>();
  readonly invariants: Invariants;
  /** What every node did, in order. */
  readonly history: { readonly id: NodeId; readonly effect: Effect }[] = [];
  wire: Parcel[] = [];
  /** Messages that it is false for are lost, and no link event says so. */
  passes: (parcel: Parcel) => boolean = () => true;
  /** Whether drivers and disks do their work at once. */
  prompt = true;
  readonly #options: NetworkOptions;
  readonly #cuts = new Set<string>();
  #incarnations = firstIncarnation;

  constructor(options: NetworkOptions = {}) {
    const { voters = ['a', 'b', 'c'], learners = [] } = options;
    this.#options = { ...options, voters, learners };
    for (const id of [...voters, ...learners]) {
      const disk = new SimulatedDisk();
      const core = new Raft(this.optionsOf(id), disk.start(0));
      const node = {
        id,
        disk,
        core,
        running: true,
        log: [],
        commitOffset: 0,
        queue: [],
        inbox: [],
      };
      this.nodes.set(id, node);
    }
    this.invariants = new Invariants(voters.map((id) => this.node(id)));
    for (const node of this.all) this.#announce(node, true);
  }

  optionsOf(id: NodeId): RaftOptions {
    const { voters = [], learners = [], seed = 1, core = {} } = this.#options;
    return {
      id,
      configuration: { voters, learners },
      ...smallOptions,
      seed: seed * 31 + id.charCodeAt(0),
      ...core,
    };
  }

  get all(): Node[] {
    return [...this.nodes.values()];
  }

  node(id: NodeId): Node {
    const node = this.nodes.get(id);
    if (node === undefined) throw new Error(`there is no node ${id}`);
    return node;
  }

  core(id: NodeId): Raft {
    return this.node(id).core;
  }

  /** The one that leads the latest term, if anybody leads. */
  get leader(): Node | undefined {
    const leaders = this.all.filter((node) => node.running && node.core.role === 'leader');
    return leaders.toSorted((a, b) => b.core.term - a.core.term)[0];
  }

  step(id: NodeId, event: Event): void {
    const node = this.node(id);
    this.invariants.onEvent(node, event);
    // What was to be sent on an older link does not go out on a newer one.
    if (event.type === 'link') {
      node.queue = node.queue.filter(
        (effect) => effect.type !== 'send' || effect.to !== event.peer,
      );
    }
    const effects = node.core.step(event);
    if (event.type === 'propose') {
      const { generation } = node.core;
      effects.unshift({ type: 'write', marks: event.marks, generation });
    }
    for (const effect of effects) {
      this.history.push({ id, effect });
      if (effect.type === 'truncate') {
        node.log = node.log.filter((mark) => mark.end <= effect.offset);
      }
      if (effect.type === 'write') {
        node.log.push(...effect.marks);
        this.invariants.onExtended(node.log, effect.marks.length);
      }
    }
    this.invariants.onEffects(node, effects);
    node.queue.push(...effects);
    if (this.prompt) this.work(node);
  }

  /** The driver and the disk of a node do all that there is to do. */
  work(node: Node): void {
    for (;;) {
      if (this.carryOut(node)) continue;
      const event = node.inbox.shift() ?? node.disk.sync();
      if (event === undefined) return;
      this.step(node.id, event);
    }
  }

  /** Carries out the oldest effect; false if there is none. */
  carryOut(node: Node): boolean {
    const effect = node.queue.shift();
    if (effect === undefined) return false;
    const { disk } = node;
    if (effect.type === 'saveHardState') disk.save(effect);
    if (effect.type === 'write') disk.write(effect.marks);
    if (effect.type === 'truncate') disk.truncate(effect.offset, effect.generation);
    if (effect.type === 'load') node.inbox.push(disk.read(effect));
    if (effect.type === 'send') this.#send(node, effect.to, effect.message);
    if (effect.type === 'role' && effect.role === 'leader' && node.core.term === effect.term) {
      if (node.core.role === 'leader') this.propose(node.id, [noopBytes]);
    }
    if (effect.type === 'admit') this.#admit(node, effect.admission);
    if (effect.type === 'rejoin') this.#rejoin(node);
    return true;
  }

  propose(id: NodeId, lengths: readonly number[]): void {
    const { log, core } = this.node(id);
    this.step(id, { type: 'propose', marks: marksAfter(lastOf(log), core.term, lengths) });
  }

  deliver(parcel: Parcel): void {
    const { from, to, incarnations, message } = parcel;
    const { running, disk } = this.node(to);
    const [incarnation, toIncarnation] = incarnations;
    if (!running || disk.incarnation !== toIncarnation || this.#cuts.has(`${from}>${to}`)) return;
    this.step(to, { type: 'message', from, incarnation, message });
  }

  /** Delivers messages in the order in which they were sent, until there are none. */
  run(): void {
    for (let count = 0; count < parcelsMax; count += 1) {
      const parcel = this.wire.shift();
      if (parcel === undefined) return;
      this.deliver(parcel);
    }
    throw new Error('the nodes do not stop talking');
  }

  tick(id: NodeId, count = 1): void {
    for (let ticks = 0; ticks < count; ticks += 1) {
      if (this.node(id).running) this.step(id, { type: 'tick' });
    }
  }

  /** All clocks go on together, and messages take less than a tick. */
  pass(ticks: number): void {
    for (let tick = 0; tick < ticks; tick += 1) {
      for (const { id } of this.all) this.tick(id);
      this.run();
    }
  }

  /** Lets the node campaign while the other followers have lost patience with their leader. */
  elect(id: NodeId): void {
    for (const other of this.all) {
      if (other.id !== id && other.core.role !== 'leader') this.tick(other.id, 10);
    }
    this.wire = [];
    for (let tick = 0; tick < 40 && this.core(id).role !== 'leader'; tick += 1) {
      this.tick(id);
      this.run();
    }
    if (this.core(id).role !== 'leader') throw new Error(`${id} was not elected`);
  }

  cut(a: NodeId, b: NodeId): void {
    this.#setLink(a, b, false);
  }

  join(a: NodeId, b: NodeId): void {
    this.#setLink(a, b, true);
  }

  isolate(id: NodeId): void {
    for (const other of this.nodes.keys()) if (other !== id) this.cut(id, other);
  }

  heal(): void {
    for (const a of this.nodes.keys()) {
      for (const b of this.nodes.keys()) if (a < b) this.join(a, b);
    }
  }

  crash(id: NodeId, kept = 0): void {
    const node = this.node(id);
    node.running = false;
    node.queue = [];
    node.inbox = [];
    node.disk.crash(kept);
    this.#announce(node, false);
  }

  /** Starts the node again, with the commit offset that it might have noted. */
  restart(id: NodeId, commitOffset = 0): void {
    const node = this.node(id);
    node.log = [...node.disk.durable];
    node.commitOffset = commitOffset;
    node.core = new Raft(this.optionsOf(id), node.disk.start(commitOffset));
    node.running = true;
    this.#announce(node, true);
  }

  /** The node goes down and loses everything: it will come back as another incarnation. */
  wipe(id: NodeId): void {
    this.crash(id);
    this.node(id).disk.wipe(this.#nextIncarnation());
  }

  /** The node goes down and gets back an older copy of its directory. */
  putBack(id: NodeId, image: DiskImage): void {
    this.crash(id);
    this.node(id).disk.putBack(image);
  }

  /** Whether the two nodes can reach each other. */
  areJoined(a: NodeId, b: NodeId): boolean {
    return !this.#cuts.has(`${a}>${b}`);
  }

  /** Effects of one type at one node so far. */
  effects<T extends Effect['type']>(id: NodeId, type: T): Extract<Effect, { type: T }>[] {
    return this.history
      .filter((entry) => entry.id === id)
      .map((entry) => entry.effect)
      .filter((effect): effect is Extract<Effect, { type: T }> => effect.type === type);
  }

  #send(node: Node, to: NodeId, message: Message): void {
    this.invariants.onSend(node, message);
    const { incarnation } = node.disk;
    const toIncarnation = node.core.state.links.find((link) => link.peer === to)?.incarnation;
    if (toIncarnation === undefined) return;
    const incarnations = [incarnation, toIncarnation] as const;
    const parcel = { from: node.id, to, incarnations, message };
    if (!this.#cuts.has(`${node.id}>${to}`) && this.passes(parcel)) this.wire.push(parcel);
  }

  #setLink(a: NodeId, b: NodeId, up: boolean): void {
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      if (up) this.#cuts.delete(`${from}>${to}`);
      else this.#cuts.add(`${from}>${to}`);
    }
    if (!this.node(a).running || !this.node(b).running) return;
    this.#tell(a, b, up);
    this.#tell(b, a, up);
  }

  /** Tells a node and its peers that it came or went. */
  #announce(node: Node, up: boolean): void {
    for (const other of this.all) {
      if (other === node || !other.running || this.#cuts.has(`${node.id}>${other.id}`)) continue;
      this.#tell(other.id, node.id, up);
      if (node.running) this.#tell(node.id, other.id, up);
    }
  }

  #tell(id: NodeId, peer: NodeId, up: boolean): void {
    const state = this.node(peer).disk.peerState;
    if (up) this.step(id, { type: 'greeting', peer, state });
    this.step(id, { type: 'link', peer, incarnation: up ? state.incarnation : null });
  }

  #admit(node: Node, admission: Admission): void {
    const { core, log } = node;
    const { role } = core.state;
    if (role.type !== 'leader' || core.transferring || core.endOffset === role.startOffset) return;
    if (core.admittedIncarnation(admission.node) === admission.incarnation) return;
    const marks = marksAfter(lastOf(log), core.term, [admissionBytes]);
    this.step(node.id, { type: 'propose', marks: marks.map((mark) => ({ ...mark, admission })) });
  }

  #rejoin(node: Node): void {
    const incarnation = this.#nextIncarnation();
    node.disk.incarnation = incarnation;
    this.#announce(node, false);
    this.step(node.id, { type: 'rejoined', incarnation });
    this.#announce(node, true);
  }

  #nextIncarnation(): number {
    this.#incarnations += 1;
    return this.#incarnations;
  }
}
