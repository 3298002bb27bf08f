/**
 * Node 1 of the bare pipe: gives each frame the next offset, and acknowledges it when this node and
 * one of the others have it durable. That is a count of bytes: nothing is elected, compared or
 * remembered, and only one producer may be at work, whose frames come once and in order.
 */
import { batchEnd } from '../../../proto/batch.js';
import { assert, LogLogError } from '../../../proto/errors.js';
import type { Append } from '../../../server/orderer.js';
import type { PeerMessage } from '../../../server/peers.js';
import type { PoolClient } from '../../../server/uploads/pool.js';
import type { BareLog } from './bare-log.js';
import { bareTerm } from './bare-log.js';
import type { BarePart } from './bare-part.js';

/** How far the slowest node may be behind; what waits for it is in the memory of this one. */
export const lagBytesMax = 64 * 2 ** 20;

const waitingMax = 131_072;

interface Follower {
  readonly id: string;
  /** Its bit in `uploadedTo`. */
  readonly bit: number;
  durableOffset: number;
}

interface Waiting {
  readonly offset: number;
  readonly end: number;
  readonly append: Append;
}

export interface LeaderHandlers {
  send(to: string, message: PeerMessage): void;
  /** `readableOffset` is another. */
  onCommitted(): void;
}

type Orderer = BarePart['orderer'];

export class BareLeader implements BarePart, Orderer {
  readonly orderer = this;
  readonly pool = { client: refusing };
  readonly counters = { matchedBatches: 0, matchedBytes: 0, inlinedBatches: 0, inlinedBytes: 0 };
  readonly #log: BareLog;
  readonly #handlers: LeaderHandlers;
  readonly #followers: readonly Follower[];
  /** Ascending. */
  readonly #waiting: Waiting[] = [];
  readonly #onRoom = new Set<() => void>();
  #committed = 0;
  /** Of the last frame. */
  #epoch = -1;
  #sequence = 0;

  /** `ids` are those of all nodes, sorted; this one is the first. */
  constructor(log: BareLog, ids: readonly string[], handlers: LeaderHandlers) {
    this.#log = log;
    this.#handlers = handlers;
    this.#followers = ids.map((id, index) => ({ id, bit: 1 << index, durableOffset: 0 })).slice(1);
  }

  /** Two nodes have everything below. */
  get readableOffset(): number {
    return this.#committed;
  }

  get hasRoom(): boolean {
    const others = this.#followers.map(({ durableOffset }) => durableOffset);
    const lagBytes = this.#log.endOffset - Math.min(this.#log.log.durableOffset, ...others);
    return lagBytes < lagBytesMax && this.#waiting.length < waitingMax;
  }

  onRoom(call: () => void): void {
    this.#onRoom.add(call);
  }

  forget(call: () => void): void {
    this.#onRoom.delete(call);
  }

  submit(append: Append): void {
    const problem = this.#problemOf(append);
    if (problem !== undefined) {
      append.done({ type: 'refused', error: new LogLogError('INVALID_ARGUMENT', problem) });
      return;
    }
    const { endOffset } = this.#log;
    const isOpening = append.kind === 'open';
    this.#epoch = isOpening ? endOffset : append.epoch;
    this.#sequence = isOpening ? 0 : append.sequence;
    const batch = this.#log.place({ ...append, epoch: this.#epoch }, append.body);
    const { headerBytes, body } = batch;
    for (const { id, bit } of this.#followers) {
      if ((append.uploadedTo & bit) !== 0) continue;
      const items = [{ type: 'inline', headerBytes, body }] as const;
      this.#handlers.send(id, { type: 'bodies', term: bareTerm, items });
    }
    this.#waiting.push({ offset: endOffset, end: batchEnd(batch.header), append });
  }

  /** Another node has synced more. */
  received(from: string, message: PeerMessage): void {
    assert(message.type === 'appendReply', 'the others only say how far they are');
    const follower = this.#followers.find(({ id }) => id === from);
    assert(follower !== undefined, 'only nodes of this cluster are linked');
    follower.durableOffset = message.matchOffset;
    this.synced();
  }

  synced(): void {
    const others = Math.max(...this.#followers.map(({ durableOffset }) => durableOffset));
    const committed = Math.min(this.#log.log.durableOffset, others);
    if (committed > this.#committed) this.#commit(committed);
    if (this.#onRoom.size > 0 && this.hasRoom) this.#callForRoom();
  }

  #commit(committed: number): void {
    this.#committed = committed;
    let count = 0;
    for (const { end } of this.#waiting) {
      if (end > committed) break;
      count += 1;
    }
    for (const { append, offset, end } of this.#waiting.splice(0, count)) {
      append.done({ type: 'committed', offset, end });
    }
    this.#handlers.onCommitted();
  }

  #callForRoom(): void {
    const calls = [...this.#onRoom];
    this.#onRoom.clear();
    for (const call of calls) call();
  }

  #problemOf({ kind, epoch, sequence, expect, token }: Append): string | undefined {
    if (kind === 'fence' || expect !== undefined || token !== undefined) {
      return 'the bare pipe knows no conditions';
    }
    if (kind === 'open') return undefined;
    if (epoch === this.#epoch && sequence === this.#sequence + 1) return undefined;
    return 'the bare pipe takes the frames of one producer at a time, each once and in order';
  }
}

function refusing(): PoolClient {
  return {
    stage: () => {
      throw new LogLogError('INVALID_ARGUMENT', 'node 1 takes nothing that it is not to order');
    },
    close: () => undefined,
  };
}
