/** What one thing that happens to one node makes of it: the real core, driven as a node drives it. */
import { Raft } from '../../server/raft/raft.js';
import type {
  Admission,
  Effect,
  Event,
  Message,
  NodeId,
  PeerState,
} from '../../server/raft/types.js';
import type { Chain } from './chain.js';
import {
  admissionsOf,
  commonPrefix,
  cutAt,
  endOf,
  extend,
  marksOf,
  noopBytes,
  prefixAt,
  proposalBytes,
  proposalOf,
} from './chain.js';
import type { NodeState, Wait } from './node.js';
import {
  crashImages,
  lastIncarnation,
  normalise,
  optionsOf,
  putBack,
  restart,
  setClock,
  wipe,
} from './node.js';
import {
  BrokenPromise,
  checkCore,
  checkMessage,
  checkSave,
  demand,
  isAdmitted,
} from './promises.js';
import type { Scope } from './scope.js';

export interface Parcel {
  readonly from: NodeId;
  readonly to: NodeId;
  /** The sender's and the receiver's: it reaches no other. */
  readonly incarnations: readonly [number, number];
  readonly message: Message;
}

/** What can happen to a node. */
export type Happening =
  /** `patient`: a voter has heard its leader just now, and refuses others for that. */
  | { readonly type: 'deliver'; readonly parcel: Parcel; readonly patient: boolean }
  | { readonly type: 'timeout' }
  | { readonly type: 'heartbeat' }
  /** A leader hears nobody for an election timeout. */
  | { readonly type: 'silence' }
  /** Its disk syncs nothing for as long. */
  | { readonly type: 'stall' }
  | { readonly type: 'propose'; readonly number: number }
  | { readonly type: 'body'; readonly number: number }
  | { readonly type: 'save' }
  | { readonly type: 'sync' }
  | { readonly type: 'report' }
  /**
   * `image` counts the images that the crash may leave. `renewed` is a peer that has become another
   * incarnation: it comes later.
   */
  | { readonly type: 'crash'; readonly image: number; readonly renewed: NodeId | null }
  | { readonly type: 'wipe' }
  | { readonly type: 'putBack' }
  | { readonly type: 'ask'; readonly id: number; readonly floor: number }
  | { readonly type: 'transfer'; readonly to: NodeId }
  /** The links between the two break and come back. */
  | { readonly type: 'relink'; readonly peer: NodeId; readonly state: PeerState }
  /** A leader's tick at which no heartbeat is due: strangers are told what they are. */
  | { readonly type: 'remind' };

export interface Outcome {
  readonly node: NodeState;
  readonly sent: readonly Parcel[];
  /** The longest log that the node called committed, if it did. */
  readonly committed: Chain | null;
  /** The term that it began to lead, if it did. */
  readonly elected: number | null;
}

/**
 * Takes over `node`. Throws BrokenPromise, or whatever a core throws that contradicts itself.
 */
export function happen(node: NodeState, happening: Happening, scope: Scope): Outcome {
  const step = new Step(node, scope);
  step.take(happening);
  normalise(step.node, scope);
  return step;
}

class Step implements Outcome {
  node: NodeState;
  readonly sent: Parcel[] = [];
  committed: Chain | null = null;
  elected: number | null = null;
  readonly #scope: Scope;

  constructor(node: NodeState, scope: Scope) {
    this.node = node;
    this.#scope = scope;
  }

  take(happening: Happening): void {
    this.#take(happening);
    this.#work();
  }

  #take(happening: Happening): void {
    const { node } = this;
    switch (happening.type) {
      case 'deliver':
        return this.#deliver(happening.parcel, happening.patient);
      case 'timeout':
        return this.#timeout();
      case 'heartbeat':
        return this.#step({ type: 'tick' }, 'heartbeat');
      case 'silence':
        this.#step({ type: 'tick' }, 'silence');
        return demand(node.core.role.type !== 'leader', 'a leader that hears no quorum gives up');
      case 'stall':
        this.#step({ type: 'tick' }, 'stall');
        return demand(node.core.role.type !== 'leader', 'a leader whose disk hangs gives up');
      case 'propose':
        this.#addBody(happening.number);
        return this.#propose(proposalBytes(happening.number));
      case 'body':
        return this.#addBody(happening.number);
      case 'save':
        return this.#save();
      case 'sync':
        return this.#sync();
      case 'report':
        return this.#report();
      case 'crash':
        this.node = restart(
          node,
          crashImages(node)[happening.image] ?? '',
          this.#scope,
          happening.renewed,
        );
        return;
      case 'wipe':
        this.node = wipe(node, this.#scope);
        return;
      case 'putBack':
        this.node = putBack(node, this.#scope);
        return;
      case 'ask':
        node.asked.push({ id: happening.id, floor: happening.floor });
        return this.#step({ type: 'readIndex', id: happening.id });
      case 'transfer':
        return this.#step({ type: 'transfer', to: happening.to });
      case 'relink':
        return this.#relink(happening.peer, happening.state);
      case 'remind':
        return this.#step({ type: 'tick' });
    }
  }

  #relink(peer: NodeId, state: PeerState): void {
    this.#step({ type: 'link', peer, incarnation: null });
    this.#step({ type: 'greeting', peer, state });
    this.#step({ type: 'link', peer, incarnation: state.incarnation });
  }

  #step(event: Event, wait: Wait = 'none'): void {
    const { node } = this;
    setClock(node, wait);
    const before = { ...node.core, ...node.core.log, written: node.written };
    const raft = Raft.from(optionsOf(node.id, this.#scope), node.core);
    this.#carryOut(raft.step(event));
    checkCore(node, before, event);
    for (const admission of node.admissions.splice(0)) this.#admit(admission);
  }

  /** An append gets as far as the bodies that are here. */
  #deliver({ from, incarnations, message }: Parcel, patient: boolean): void {
    const wait = patient ? 'none' : 'voter';
    const [incarnation] = incarnations;
    const event = { type: 'message', from, incarnation } as const;
    if (message.type !== 'append') return this.#step({ ...event, message }, wait);
    const missing = message.marks.findIndex((mark) => !this.#hasBody(mark));
    const marks = missing < 0 ? message.marks : message.marks.slice(0, missing);
    this.#step({ ...event, message: { ...message, marks } }, wait);
  }

  #timeout(): void {
    const { node } = this;
    this.#step({ type: 'tick' }, 'timeout');
    if (this.#scope.elections === 'asked') return;
    this.sent.length = 0;
    const term = node.core.term + 1;
    const message = { type: 'voteReply', term, preVote: true, granted: true } as const;
    // Of one does not count what it says; two of three are enough.
    for (const { peer: from, incarnation } of node.core.links) {
      if (node.core.term < term) this.#step({ type: 'message', from, incarnation, message });
    }
  }

  /** As a leader's driver does it, unless it has been done. */
  #admit(admission: Admission): void {
    const { core, written } = this.node;
    const { role, transfer, log } = core;
    const admissions = admissionsOf(written);
    const last = admissions.findLast(({ node }) => node === admission.node);
    if (role.type !== 'leader' || transfer !== null || log.endOffset === role.startOffset) return;
    if (last?.incarnation !== admission.incarnation) this.#propose(noopBytes, admission);
  }

  #propose(bytes: number, admission?: Admission): void {
    const { node } = this;
    const { term } = node.core;
    const offset = endOf(node.written);
    const chain = extend(node.written, term, bytes, admission);
    const end = offset + bytes;
    const marks = [{ offset, end, term, chain, ...(admission && { admission }) }];
    node.written = chain;
    this.#step({ type: 'propose', marks });
  }

  #hasBody(mark: Parameters<typeof proposalOf>[0]): boolean {
    const number = proposalOf(mark);
    return (
      number === null ||
      this.#scope.bodies === 'together' ||
      this.node.bodies.includes(number) ||
      this.node.written.startsWith(mark.chain)
    );
  }

  #addBody(number: number): void {
    if (this.#scope.bodies === 'apart') this.node.bodies.push(number);
    this.node.bodies.sort((a, b) => a - b);
  }

  /** What a disk without delays does at once. */
  #work(): void {
    const { saves, syncs } = this.#scope;
    for (;;) {
      const { node } = this;
      if (node.queue.length > 0) {
        if (saves === 'late') return;
        this.#save();
      } else if (syncs === 'late') return;
      else if (node.reports.length > 0) this.#report();
      else if (node.durable !== node.written) this.#sync();
      else return;
    }
  }

  #save(): void {
    const [save, ...rest] = this.node.queue;
    if (save?.type !== 'saveHardState') throw new Error('effects wait for saves only');
    checkSave(this.node, save);
    this.node.term = save.term;
    this.node.vote = save.vote;
    this.node.admitted = save.admitted;
    this.node.queue = [];
    this.#carryOut(rest);
  }

  #sync(): void {
    const { node } = this;
    node.durable = node.written;
    const { generation } = node;
    node.reports.push({ type: 'synced', generation, offset: endOf(node.written) });
  }

  #report(): void {
    const event = this.node.reports.shift();
    if (event !== undefined) this.#step(event);
  }

  #carryOut(effects: readonly Effect[]): void {
    for (const [index, effect] of effects.entries()) {
      if (effect.type === 'saveHardState') {
        this.node.queue = effects.slice(index);
        return;
      }
      this.#carryOutOne(effect);
    }
  }

  #carryOutOne(effect: Exclude<Effect, { type: 'saveHardState' }>): void {
    const { node } = this;
    switch (effect.type) {
      case 'send':
        return this.#send(effect.to, effect.message);
      case 'truncate':
        node.written = cutAt(node.written, effect.offset);
        node.generation = effect.generation;
        return;
      case 'write':
        for (const mark of effect.marks) {
          demand(mark.offset === endOf(node.written), 'what is written follows the log');
          demand(this.#hasBody(mark), 'a batch is written with its body');
          node.written = mark.chain;
        }
        return;
      case 'load':
        node.reports.push(loaded(node, effect));
        return;
      case 'commit':
        return this.#commit(effect.offset);
      case 'role':
        if (effect.role === 'leader') this.#lead(effect.term);
        return;
      case 'admit':
        node.admissions.push(effect.admission);
        return;
      case 'rejoin':
        return this.#rejoin();
      case 'readReady':
        return this.#answer(effect.id, effect.offset);
      case 'transferEnded':
        return;
      case 'corrupt':
        throw new BrokenPromise(`corrupt at ${effect.offset}: ${effect.reason}`);
    }
  }

  #send(to: NodeId, message: Message): void {
    const { node } = this;
    checkMessage(node, to, message);
    const incarnation = node.core.links.find(({ peer }) => peer === to)?.incarnation;
    if (incarnation === undefined) return;
    const incarnations = [node.incarnation, incarnation] as const;
    this.sent.push({ from: node.id, to, incarnations, message });
  }

  #rejoin(): void {
    const { node } = this;
    const peers = [...node.core.links];
    for (const { peer } of peers) this.#step({ type: 'link', peer, incarnation: null });
    node.incarnation = lastIncarnation;
    this.#step({ type: 'rejoined', incarnation: lastIncarnation });
    for (const { peer, incarnation } of peers) this.#step({ type: 'link', peer, incarnation });
  }

  #lead(term: number): void {
    demand(isAdmitted(this.node), 'who is not admitted does not lead');
    this.elected = term;
    this.#propose(noopBytes);
  }

  #commit(offset: number): void {
    const chain = prefixAt(this.node.written, offset);
    demand(chain !== null, 'the commit offset lies between batches');
    this.committed = chain;
  }

  #answer(id: number, offset: number | undefined): void {
    const { node } = this;
    const asked = node.asked.find((question) => question.id === id);
    demand(asked !== undefined, 'a question is answered once');
    node.asked = node.asked.filter((question) => question !== asked);
    demand(offset === undefined || offset >= asked.floor, 'no stale answer');
  }
}

function loaded(node: NodeState, load: Extract<Effect, { type: 'load' }>): Event {
  const { peer, offset, bytesMax } = load;
  const kept = commonPrefix(node.durable, node.written);
  const rest = marksOf(kept).filter((mark) => mark.offset >= offset);
  const prevChain = prefixAt(kept, offset);
  if (prevChain === null) return { type: 'loaded', peer, offset, marks: [] };
  const marks = rest.filter((mark, index) => index === 0 || mark.end - offset <= bytesMax);
  return { type: 'loaded', peer, offset, prevChain, marks };
}
