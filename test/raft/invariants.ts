/** What Raft proves (Raft paper, figure 3), checked on real cores after every step. */
import { lastOf } from './marks.js';
import type { Node } from './network.js';
import type { Effect, Event, Mark, Message } from '../../server/raft/types.js';

function demand(condition: boolean, promise: string): asserts condition {
  if (!condition) throw new Error(`broken: ${promise}`);
}

export class Invariants {
  /** The log as far as anybody has committed it. */
  readonly committed: Mark[] = [];
  /** For each of those the term in which it was committed, which may be later than its own. */
  readonly #committedTerms: number[] = [];
  readonly #leaders = new Map<number, Node>();
  readonly #leaderLogs = new Map<number, readonly Mark[]>();
  /** By term and end: the batch and the chain value in front of it. */
  readonly #batches = new Map<string, { readonly mark: Mark; readonly before: string }>();
  /** What was committed when a question was asked. */
  readonly #asked = new Map<string, number>();
  readonly #voters: readonly Node[];

  constructor(voters: readonly Node[]) {
    this.#voters = voters;
  }

  get committedEnd(): number {
    return lastOf(this.committed).end;
  }

  /** Before the node takes the event. */
  onEvent(node: Node, event: Event): void {
    if (event.type === 'readIndex') {
      this.#asked.set(`${node.id} ${event.id}`, this.committedEnd);
    }
  }

  /** After the node took an event and its log was brought up to date with the effects. */
  onEffects(node: Node, effects: readonly Effect[]): void {
    for (const effect of effects) this.#onEffect(node, effect);
    const { core, log } = node;
    demand(core.endOffset === lastOf(log).end, 'the core knows where its log ends');
    demand(core.commitOffset <= core.endOffset, 'a log is committed up to its end at most');
    demand((core.terms.at(-1)?.term ?? 0) === lastOf(log).term, 'the term table follows the log');
    if (core.role === 'leader') this.#onLeader(node);
    this.checkDurability();
  }

  /** Log matching: one term and end means one batch and one log up to there. */
  onExtended(log: readonly Mark[], count: number): void {
    for (let index = log.length - count; index < log.length; index += 1) {
      const mark = lastOf(log.slice(index, index + 1));
      const before = lastOf(log.slice(0, index)).chain;
      const key = `${mark.term}@${mark.end}`;
      const known = this.#batches.get(key) ?? { mark, before };
      this.#batches.set(key, known);
      demand(known.mark.chain === mark.chain && known.before === before, 'log matching');
    }
  }

  /** When a message really leaves a node: what it says must be on its disk. */
  onSend(node: Node, message: Message): void {
    const { disk } = node;
    demand(disk.admitted === disk.incarnation, 'who is not admitted says nothing');
    if (message.type === 'welcome') {
      const admitted = this.committed.some(
        ({ admission }) => admission?.incarnation === message.incarnation,
      );
      demand(admitted, 'an incarnation is welcome once it is committed');
    }
    if (message.type === 'voteReply' && message.granted && !message.preVote) {
      demand(
        disk.term === message.term && disk.vote !== null,
        'a vote is durable before it is told',
      );
    }
    if (message.type === 'voteRequest' && !message.preVote) {
      demand(disk.term === message.term && disk.vote === node.id, 'a candidate votes for itself');
    }
    demand(
      message.type === 'voteRequest' || message.type === 'voteReply' || disk.term >= message.term,
      'a term is durable before it is told',
    );
    if (message.type !== 'appendReply' || message.matchOffset === 0) return;
    const held = disk.durable.find((mark) => mark.end === message.matchOffset);
    const lead = this.#leaderLogs.get(message.term)?.find((mark) => mark.end === held?.end);
    demand(held !== undefined, 'what is acknowledged is durable');
    demand(lead?.chain === held.chain, "what is acknowledged is in the leader's log");
  }

  /** What is committed is on the disks of a quorum, but for losses that are not made good yet. */
  checkDurability(): void {
    const last = this.committed.at(-1);
    if (last === undefined) return;
    const index = this.committed.length - 1;
    const holders = this.#voters.filter(
      ({ disk }) => disk.lost !== null || disk.durable[index]?.chain === last.chain,
    );
    demand(2 * holders.length > this.#voters.length, 'a quorum holds what is committed');
  }

  #onEffect(node: Node, effect: Effect): void {
    if (effect.type === 'corrupt') throw new Error(`corrupt at ${effect.offset}: ${effect.reason}`);
    if (effect.type === 'commit') this.#onCommit(node, effect.offset);
    if (effect.type === 'role' && effect.role === 'leader') {
      const known = this.#leaders.get(effect.term) ?? node;
      this.#leaders.set(effect.term, node);
      demand(known === node, 'election safety: one leader a term');
    }
    if (effect.type !== 'readReady') return;
    const asked = this.#asked.get(`${node.id} ${effect.id}`);
    demand(asked !== undefined, 'a question is answered once');
    this.#asked.delete(`${node.id} ${effect.id}`);
    demand(effect.offset === undefined || effect.offset >= asked, 'no stale answer');
  }

  #onCommit(node: Node, offset: number): void {
    demand(offset > node.commitOffset, 'the commit offset never moves back');
    node.commitOffset = offset;
    const count = node.log.findIndex((mark) => mark.end === offset) + 1;
    demand(count > 0, 'the commit offset lies between batches');
    // From a few before on only: what lies further back was compared when it was committed.
    for (let index = Math.max(0, this.committed.length - 8); index < count; index += 1) {
      const mark = lastOf(node.log.slice(index, index + 1));
      const known = this.committed[index];
      if (known === undefined) {
        demand(node.core.role === 'leader', 'the leader is the first to commit');
        this.committed.push(mark);
        this.#committedTerms.push(node.core.term);
      } else demand(known.chain === mark.chain, 'what is committed never changes');
    }
    const last = this.committed[count - 1];
    demand(last?.chain === lastOf(node.log.slice(0, count)).chain, 'one log is committed');
  }

  #onLeader(node: Node): void {
    if (this.#leaderLogs.get(node.core.term) === undefined) {
      for (const [index, term] of this.#committedTerms.entries()) {
        // A late vote can make a leader of whom what was committed in a later term is not asked.
        if (term >= node.core.term) continue;
        const isKept = node.log[index]?.chain === this.committed[index]?.chain;
        demand(isKept, 'leader completeness');
      }
    }
    this.#leaderLogs.set(node.core.term, [...node.log]);
  }
}
