/**
 * The leader's side of an append: decides in log order what becomes of each, gives it the next
 * offset, and answers once a quorum has it. No refusal that rests on the log's state is given by a
 * leader that a quorum has not just confirmed.
 */
import type { Batch, BatchHeader, ProducerId } from '../proto/batch.js';
import { batchEnd, buildBatch, noProducer } from '../proto/batch.js';
import { bodyChecksum as checksumOf } from '../proto/checksum.js';
import type { Clock } from '../proto/clock.js';
import { LogLogError, withOutcome } from '../proto/errors.js';
import type { Outcome } from '../proto/errors.js';
import { incarnationBody, incarnationEntries } from './log/incarnation.js';
import type { Members } from './members.js';
import type { Outbox } from './outbox.js';
import type { Admission } from './raft/types.js';
import type { Replica } from './replica.js';
import type { Store } from './store.js';

/**
 * Ordered, and not committed or not on this node's own disk, which may be slower than a quorum of
 * others. Below the default of recentBytesMax: peers are served from memory.
 */
export const pendingBytesMax = 24 * 2 ** 20;

/** Appends that wait for a quorum, to be acknowledged or refused. */
const waitingMax = 131_072;

/** What the orderer needs of the replica. */
type Leadership = Pick<Replica, 'leading' | 'role' | 'propose' | 'readIndex'>;

export interface Append {
  readonly kind: 'data' | 'open' | 'fence';
  readonly producer: ProducerId;
  readonly epoch: number;
  readonly sequence: number;
  readonly follows: number;
  readonly entryCount: number;
  readonly bodyChecksum: number;
  readonly body: Buffer;
  readonly expect?: number;
  readonly token?: Buffer;
  readonly uploadedTo: number;
  /** Called once. */
  done(result: AppendResult): void;
}

export type AppendResult =
  | {
      readonly type: 'committed';
      readonly offset: number;
      readonly end: number;
    }
  | { readonly type: 'refused'; readonly error: LogLogError };

/** What a batch is before it has its place in the log. */
type Ordered = Pick<
  BatchHeader,
  'kind' | 'producer' | 'epoch' | 'sequence' | 'entryCount' | 'bodyChecksum'
>;

/** What an append waits for: that the log is committed up to `end`. */
interface Waiting {
  readonly end: number;
  readonly append: Append;
  readonly answer: () => void;
}

export class Orderer {
  readonly #replica: Leadership;
  readonly #store: Store;
  readonly #outbox: Outbox;
  readonly #clock: Clock;
  readonly #members: Members;
  /** Part of the store's state, and not yet of the log and the core. */
  #unproposed: Batch[] = [];
  /** Ascending by `end`. */
  #waiting: Waiting[] = [];
  #confirming = 0;
  #stalled: string | null = null;
  readonly #onRoom = new Set<() => void>();

  constructor(replica: Leadership, store: Store, outbox: Outbox, clock: Clock, members: Members) {
    this.#replica = replica;
    this.#store = store;
    this.#outbox = outbox;
    this.#clock = clock;
    this.#members = members;
  }

  /** False asks those who send to wait for `onRoom`. A node that does not lead refuses at once. */
  get hasRoom(): boolean {
    if (!this.#replica.leading) return true;
    const { tip, committed, log } = this.#store;
    const pendingBytes = tip.endOffset - Math.min(committed.endOffset, log.durableOffset);
    return pendingBytes < pendingBytesMax && this.#waiting.length < waitingMax;
  }

  /** Calls back once, when there is room again. */
  onRoom(call: () => void): void {
    this.#onRoom.add(call);
  }

  forget(call: () => void): void {
    this.#onRoom.delete(call);
  }

  /** Why the disk takes no more, for now. */
  get stalled(): string | null {
    return this.#stalled;
  }

  /** The disk is full (a reason), or has room again (null). */
  stall(reason: string | null): void {
    this.#stalled = reason;
  }

  /** Orders an append whose body has been checked, or says why not. */
  submit(append: Append): void {
    if (!this.#replica.leading) {
      refuse(append, this.#notLeader('none'));
      return;
    }
    // One append may wait for room: the others may have it, and then elect a leader that has, since
    // a leader whose sync hangs steps down.
    if (this.#stalled !== null && this.#store.log.durableOffset < this.#store.tip.endOffset) {
      refuse(append, new LogLogError('RESOURCE_EXHAUSTED', `the leader's disk: ${this.#stalled}`));
      return;
    }
    if (this.#waiting.length + this.#confirming >= waitingMax) {
      refuse(
        append,
        new LogLogError('RESOURCE_EXHAUSTED', 'too many appends wait for a quorum', {
          limit: waitingMax,
        }),
      );
      return;
    }
    const { tip } = this.#store;
    // Deduplication comes before conditions: a retry of what was accepted is never a conflict.
    const verdict =
      append.producer === noProducer
        ? ({ type: 'order' } as const)
        : tip.producers.decide(append.producer, {
            ...append,
            bodyBytes: append.body.length,
          });
    switch (verdict.type) {
      case 'duplicate':
        void this.#answerRetry(append, verdict.offset, verdict.end);
        break;
      case 'refuse':
        this.#refuseConfirmed(append, verdict.error);
        break;
      case 'order': {
        const conflict = this.#conflictOf(append);
        if (conflict !== undefined) this.#refuseConfirmed(append, conflict);
        else this.#order(append);
      }
    }
  }

  /** Orders a batch that admits a node's new incarnation, unless that has been done. */
  admit(admission: Admission): void {
    const { node, incarnation } = admission;
    const last = this.#store.tip.admissions.findLast((other) => other.node === node);
    if (!this.#replica.leading || last?.incarnation === incarnation) return;
    const body = incarnationBody(node, incarnation);
    const what = { producer: noProducer, epoch: 0, sequence: 0, entryCount: incarnationEntries };
    this.#add({ kind: 'incarnation', ...what, bodyChecksum: checksumOf(body) }, body);
  }

  /** Gives what was ordered to the log and the core: together, what came in one turn. */
  flush(): void {
    if (this.#unproposed.length === 0) return;
    const batches = this.#unproposed;
    this.#unproposed = [];
    this.#replica.propose(batches);
  }

  committed(offset: number): void {
    let count = 0;
    for (const { end } of this.#waiting) {
      if (end > offset) break;
      count += 1;
    }
    for (const waiting of this.#waiting.splice(0, count)) waiting.answer();
    this.#callIfRoom();
  }

  /** More of the log is on this node's disk. */
  synced(): void {
    this.#callIfRoom();
  }

  /** This node no longer leads in the term that it ordered in: what waits may still happen. */
  deposed(): void {
    this.#letGo(this.#notLeader('unknown'));
  }

  /** The node stops, for this reason: what is not in the log yet never will be. */
  stop(error: LogLogError): void {
    this.#unproposed = [];
    this.#letGo(withOutcome(error, 'unknown'));
  }

  #letGo(error: LogLogError): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { append } of waiting) refuse(append, error);
    this.#callForRoom();
  }

  #callIfRoom(): void {
    if (this.#onRoom.size > 0 && this.hasRoom) this.#callForRoom();
  }

  #callForRoom(): void {
    const calls = [...this.#onRoom];
    this.#onRoom.clear();
    for (const call of calls) call();
  }

  #order(append: Append): void {
    const offset = this.#store.tip.endOffset;
    const { kind, producer, sequence, entryCount, bodyChecksum } = append;
    const epoch = kind === 'open' ? offset : append.epoch;
    const batch = this.#add(
      { kind, producer, epoch, sequence, entryCount, bodyChecksum },
      append.body,
    );
    this.#outbox.ordered(batch, append.uploadedTo);
    this.#whenCommitted(append, offset, batchEnd(batch.header));
  }

  /** The next batch of the log. */
  #add(what: Ordered, body: Buffer): Batch {
    const { tip } = this.#store;
    const { term } = this.#replica.role;
    const timeMs = Math.max(this.#clock.wallMs(), tip.lastTimeMs);
    const batch = buildBatch({ ...what, offset: tip.endOffset, term, timeMs }, body, tip.endChain);
    this.#store.order(batch);
    if (this.#unproposed.length === 0) this.#clock.soon(() => this.flush());
    this.#unproposed.push(batch);
    return batch;
  }

  #conflictOf({ expect, token }: Append): LogLogError | undefined {
    const { dataEnd, token: inForce } = this.#store.tip;
    if (token !== undefined && (inForce === null || !inForce.equals(token))) {
      return new LogLogError('TOKEN_MISMATCH', 'another fencing token is in force', {
        end: dataEnd,
      });
    }
    if (expect === undefined || expect === dataEnd) return undefined;
    if (expect < dataEnd) {
      return new LogLogError(
        'CONDITION_FAILED',
        `the end is ${dataEnd}, not ${expect}: somebody has appended`,
        { end: dataEnd },
      );
    }
    // A late copy of this append might meet the condition yet.
    return new LogLogError('CONDITION_AHEAD', `the end is ${dataEnd}, which is before ${expect}`, {
      end: dataEnd,
      outcome: 'unknown',
    });
  }

  /** The table of producers knows a checksum; whether the bytes are the same, only the log. */
  async #answerRetry(append: Append, offset: number, end: number): Promise<void> {
    const { term } = this.#replica.role;
    const { log } = this.#store;
    let original = log.recentBatch(offset);
    if (original === undefined) {
      [original] = await log.batchesFrom(offset, 1).catch(() => []);
      const stillLeading = this.#replica.leading && this.#replica.role.term === term;
      if (!stillLeading) return refuse(append, this.#members.notLeader('unknown'));
    }
    if (original === undefined) {
      refuse(
        append,
        new LogLogError('UNAVAILABLE', 'the original cannot be read', { outcome: 'unknown' }),
      );
    } else if (original.body.equals(append.body)) {
      this.#whenCommitted(append, offset, end);
    } else {
      const reason = `sequence ${append.sequence} was used for a batch with other bytes`;
      this.#refuseConfirmed(append, new LogLogError('SEQUENCE_REUSED', reason));
    }
  }

  #whenCommitted(append: Append, offset: number, end: number): void {
    const answer = () => append.done({ type: 'committed', offset, end });
    if (end <= this.#store.committed.endOffset) answer();
    else this.#wait(append, answer);
  }

  /** Refuses once everything that the decision saw is committed, by a leader that still is one. */
  #refuseConfirmed(append: Append, error: LogLogError): void {
    const decidedAt = this.#store.tip.endOffset;
    const { term } = this.#replica.role;
    this.#confirming += 1;
    void this.#confirmed(term).then((confirmed) => {
      this.#confirming -= 1;
      const answer = () => refuse(append, error);
      if (!confirmed) refuse(append, this.#notLeader('none'));
      else if (decidedAt <= this.#store.committed.endOffset) answer();
      else this.#wait(append, answer);
    });
  }

  async #confirmed(term: number): Promise<boolean> {
    try {
      await this.#replica.readIndex();
    } catch {
      return false; // whatever the reason: nothing may be said about the log's state
    }
    return this.#replica.leading && this.#replica.role.term === term;
  }

  /** Behind everything that is ordered, so that the waiting stay ascending. */
  #wait(append: Append, answer: () => void): void {
    this.#waiting.push({ end: this.#store.tip.endOffset, append, answer });
  }

  #notLeader(outcome: Outcome): LogLogError {
    return this.#members.notLeader(outcome);
  }
}

function refuse(append: Append, error: LogLogError): void {
  append.done({ type: 'refused', error });
}
