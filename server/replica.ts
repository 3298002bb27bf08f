/**
 * Drives the consensus core: feeds it events one at a time and carries out what it asks for, in
 * order, on the disk, the links and the rest of the node. Nothing behind a change of term or vote
 * happens before that is on disk.
 */
import type { Batch } from '../proto/batch.js';
import { buildBatch, noProducer } from '../proto/batch.js';
import type { Clock, Timer } from '../proto/clock.js';
import { assert, LogLogError } from '../proto/errors.js';
import type { HardState } from './log/hard-state.js';
import type { Logger } from './logger.js';
import { markOf } from './assembler.js';
import type { Outbox } from './outbox.js';
import type { PeerMessage } from './peers.js';
import type { Raft } from './raft/raft.js';
import type { Admission, Effect, Event, NodeId } from './raft/types.js';
import type { Store } from './store.js';

/** Events that wait for the disk; further messages and ticks are dropped, as a network may. */
const eventsMax = 16_384;

/** Questions and handovers that wait for the core's answer. */
const questionsMax = 65_536;

const nothing = Buffer.alloc(0);

export interface RoleChange {
  readonly role: 'follower' | 'candidate' | 'leader';
  readonly term: number;
  readonly leader: NodeId | null;
}

/** What the rest of the node does about it; called between two events of the core. */
export interface ReplicaHandlers {
  onCommit(offset: number): void;
  onRole(change: RoleChange): void;
  /** The log was cut back to `offset`. */
  onTruncated(offset: number): void;
  /** Before every event: what the leader has ordered goes to the log and to the core. */
  beforeEvent(): void;
  /** As the leader: the log is to admit another incarnation of a node. */
  onAdmit(admission: Admission): void;
  /** This node has to become another incarnation; resolves with it when it is on disk. */
  rejoin(): Promise<number>;
  readonly onFailed: (error: unknown) => void;
  send(to: NodeId, message: PeerMessage): void;
}

interface Queued {
  readonly event: Event;
  readonly batches: readonly Batch[];
}

interface Question {
  readonly resolve: (offset: number) => void;
  readonly reject: (error: LogLogError) => void;
}

export class Replica {
  readonly #raft: Raft;
  readonly #store: Store;
  readonly #hardState: HardState;
  readonly #outbox: Outbox;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #handlers: ReplicaHandlers;
  readonly #queue: Queued[] = [];
  readonly #questions = new Map<number, Question>();
  #lastQuestion = 0;
  #transfer: { done(ok: boolean): void } | null = null;
  #role: RoleChange;
  /** The term whose no-op this node has proposed. */
  #ledTerm = 0;
  #state: 'idle' | 'busy' | 'saving' | 'stopped' = 'idle';
  #ticker: Timer | null = null;

  constructor(parts: {
    raft: Raft;
    store: Store;
    hardState: HardState;
    outbox: Outbox;
    clock: Clock;
    logger: Logger;
    handlers: ReplicaHandlers;
  }) {
    this.#raft = parts.raft;
    this.#role = { role: 'follower', term: parts.raft.term, leader: null };
    this.#store = parts.store;
    this.#hardState = parts.hardState;
    this.#outbox = parts.outbox;
    this.#clock = parts.clock;
    this.#logger = parts.logger;
    this.#handlers = parts.handlers;
  }

  /** As of the last change that has been carried out. */
  get role(): RoleChange {
    return this.#role;
  }

  /** Whether batches can be ordered here at this moment. */
  get leading(): boolean {
    if (this.#state === 'saving' || this.#state === 'stopped') return false;
    const { role, term, transferring } = this.#raft;
    return role === 'leader' && term === this.#ledTerm && !transferring;
  }

  /** False while this incarnation has not heard that it is committed. */
  get admitted(): boolean {
    return this.#raft.admitted;
  }

  get commitOffset(): number {
    return this.#raft.commitOffset;
  }

  /** Up to here everything is committed, and verified and synced on this node. */
  get readableOffset(): number {
    return Math.min(this.#store.committed.endOffset, this.#store.log.durableOffset);
  }

  start(tickMs: number): void {
    this.#ticker = this.#clock.after(tickMs, () => {
      this.step({ type: 'tick' });
      if (this.#state !== 'stopped') this.start(tickMs);
    });
  }

  /** Gives the core an event; `batches` are those that the marks in it speak of. */
  step(event: Event, batches: readonly Batch[] = []): void {
    if (this.#state === 'stopped') return;
    const droppable = event.type === 'tick' || event.type === 'message';
    if (droppable && this.#queue.length >= eventsMax) return;
    this.#queue.push({ event, batches });
    if (this.#state === 'idle') this.#run();
  }

  /** The leader's own batches, already part of the store's state. */
  propose(batches: readonly Batch[]): void {
    assert(this.#raft.role === 'leader' && this.#raft.term === this.#ledTerm, 'a leader proposes');
    try {
      this.#store.log.append(batches);
      const marks = batches.map(markOf);
      this.#carryOutAll(this.#raft.step({ type: 'propose', marks }), []);
    } catch (error) {
      this.#handlers.onFailed(error);
    }
  }

  /** An offset that was committed after this was called. Rejects with NO_LEADER. */
  async readIndex(): Promise<number> {
    if (this.#questions.size >= questionsMax) {
      throw new LogLogError('RESOURCE_EXHAUSTED', 'too many questions wait for a quorum', {
        limit: questionsMax,
      });
    }
    const id = ++this.#lastQuestion;
    const answer = new Promise<number>((resolve, reject) => {
      this.#questions.set(id, { resolve, reject });
    });
    this.step({ type: 'readIndex', id });
    return answer;
  }

  /** Hands leadership over; resolves with whether another node took it. */
  async transfer(to?: NodeId): Promise<boolean> {
    if (this.#transfer !== null) return false;
    const ended = new Promise<boolean>((done) => (this.#transfer = { done }));
    this.step({ type: 'transfer', ...(to !== undefined && { to }) });
    return ended;
  }

  stop(): void {
    this.#state = 'stopped';
    this.#ticker?.cancel();
    this.#queue.length = 0;
    this.#transfer?.done(false);
    for (const { reject } of this.#questions.values()) {
      reject(new LogLogError('SHUTTING_DOWN', 'the node is shutting down'));
    }
    this.#questions.clear();
  }

  #run(): void {
    try {
      for (let next = this.#queue[0]; next !== undefined; next = this.#queue[0]) {
        this.#state = 'busy';
        this.#handlers.beforeEvent();
        const effects = this.#raft.step(next.event);
        const rest = this.#carryOut(effects, next.batches);
        if (rest !== null) {
          void this.#resume(rest, next.batches);
          return;
        }
        if (this.#stopped()) return;
        this.#queue.shift();
      }
      this.#state = 'idle';
    } catch (error) {
      this.#handlers.onFailed(error);
    }
  }

  /** Whatever was carried out may have stopped the node. */
  #stopped(): boolean {
    return this.#state === 'stopped';
  }

  /** Waits for the disk, carries out what hangs on it, and goes on. */
  async #resume(effects: readonly Effect[], batches: readonly Batch[]): Promise<void> {
    try {
      let rest: readonly Effect[] | null = effects;
      while (rest !== null) {
        const [save, ...behind]: readonly Effect[] = rest;
        this.#state = 'saving';
        assert(save?.type === 'saveHardState', 'effects wait for nothing else');
        const before = this.#hardState.admitted;
        await this.#hardState.save(save.term, save.vote, save.admitted);
        if (save.admitted !== null && save.admitted !== before) {
          this.#logger.info({ incarnation: save.admitted }, 'admitted as a new incarnation');
        }
        if (this.#stopped()) return;
        this.#state = 'busy';
        rest = this.#carryOut(behind, batches);
        if (this.#stopped()) return;
      }
      this.#queue.shift();
    } catch (error) {
      this.#handlers.onFailed(error);
      return;
    }
    this.#run();
  }

  /** Carries out effects up to one that waits for the disk; returns that and those behind it. */
  #carryOut(effects: readonly Effect[], batches: readonly Batch[]): readonly Effect[] | null {
    for (const [index, effect] of effects.entries()) {
      if (effect.type === 'saveHardState') return effects.slice(index);
      this.#carryOutOne(effect, batches);
    }
    return null;
  }

  #carryOutAll(effects: readonly Effect[], batches: readonly Batch[]): void {
    assert(this.#carryOut(effects, batches) === null, 'a proposal changes no vote');
  }

  #carryOutOne(effect: Exclude<Effect, { type: 'saveHardState' }>, batches: readonly Batch[]) {
    switch (effect.type) {
      case 'send':
        if (this.#isRelinked(effect.to)) break;
        if (effect.message.type === 'append') this.#outbox.send(effect.to, effect.message);
        else this.#handlers.send(effect.to, effect.message);
        break;
      case 'write': {
        const first = effect.marks[0]?.offset ?? Infinity;
        const last = effect.marks.at(-1)?.offset ?? 0;
        const written = batches.filter(
          ({ header: { offset } }) => offset >= first && offset <= last,
        );
        assert(written.length === effect.marks.length, 'every mark has its batch');
        this.#store.adopt(written);
        break;
      }
      case 'truncate':
        this.#store.truncate(effect.offset, effect.generation);
        this.#handlers.onTruncated(effect.offset);
        break;
      case 'load':
        this.#load(effect.peer, effect.offset, effect.bytesMax).catch(this.#handlers.onFailed);
        break;
      case 'commit':
        this.#store.commit(effect.offset);
        this.#handlers.onCommit(effect.offset);
        break;
      case 'role':
        this.#changeRole(effect);
        break;
      case 'admit':
        this.#handlers.onAdmit(effect.admission);
        break;
      case 'rejoin':
        this.#rejoin().catch(this.#handlers.onFailed);
        break;
      case 'readReady':
        this.#answer(effect.id, effect.offset);
        break;
      case 'transferEnded':
        this.#transfer?.done(effect.ok);
        this.#transfer = null;
        break;
      case 'corrupt':
        throw new LogLogError('DATA_CORRUPT', `at offset ${effect.offset}: ${effect.reason}`);
    }
  }

  /**
   * The link has changed and the core has not heard of it: what it says was meant for whoever was
   * there before, who may have promised what the one that is there now knows nothing of.
   */
  #isRelinked(peer: NodeId): boolean {
    return this.#queue.some(
      ({ event }, i) => i > 0 && event.type === 'link' && event.peer === peer,
    );
  }

  #changeRole({ role, term, leader }: RoleChange): void {
    const change = { role, term, leader };
    this.#role = change;
    this.#handlers.onRole(change);
    if (change.role !== 'leader' || this.#ledTerm === change.term) return;
    this.#ledTerm = change.term;
    this.#outbox.beginTerm();
    const noop = this.#build();
    this.#store.order(noop);
    // The no-op commits what earlier terms left (Raft, section 5.4.2); all else comes behind it.
    this.propose([noop]);
    this.#logger.info({ term: change.term, offset: noop.header.offset }, 'leading');
  }

  #build(): Batch {
    const { tip } = this.#store;
    return buildBatch(
      {
        kind: 'noop',
        offset: tip.endOffset,
        term: this.#raft.term,
        timeMs: Math.max(this.#clock.wallMs(), tip.lastTimeMs),
        entryCount: 0,
        producer: noProducer,
        epoch: 0,
        sequence: 0,
        bodyChecksum: 0,
      },
      nothing,
      tip.endChain,
    );
  }

  async #load(peer: NodeId, offset: number, bytesMax: number): Promise<void> {
    const batches = await this.#outbox.load(peer, offset, bytesMax);
    const marks = batches.map(markOf);
    this.step({ type: 'loaded', peer, offset, marks });
  }

  async #rejoin(): Promise<void> {
    const incarnation = await this.#handlers.rejoin();
    this.step({ type: 'rejoined', incarnation });
  }

  #answer(id: number, offset: number | undefined): void {
    const question = this.#questions.get(id);
    this.#questions.delete(id);
    if (offset !== undefined) question?.resolve(offset);
    else question?.reject(new LogLogError('NO_LEADER', 'no leader that a quorum confirms'));
  }
}
