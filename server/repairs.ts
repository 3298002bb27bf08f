/**
 * What nodes do for each other's disks: a node that has lost some of its log asks its peers for it,
 * one after the other, and gives them of its own what it can verify.
 */
import type { Batch } from '../proto/batch.js';
import { decodeBatch } from '../proto/batch.js';
import type { Clock, Timer } from '../proto/clock.js';
import { LogLogError } from '../proto/errors.js';
import type { Mended } from './log/mend.js';
import type { Donor } from './log/proof.js';
import type { Logger } from './logger.js';
import type { Links } from './links.js';
import type { Item, PeerMessage } from './peers.js';
import type { NodeId } from './raft/types.js';

/** A peer that has not answered by then counts as out of reach. */
const answerMsMax = 2000;

/** Batch bytes in one answer; a single larger batch still goes. */
const answerBytesMax = 2 ** 20;

/** Answers that are being read from the disk, one for each peer at most. */
type Answering = Set<NodeId>;

interface Question {
  readonly peer: NodeId;
  readonly timer: Timer;
  answer(batches: readonly Batch[]): void;
  fail(error: LogLogError): void;
}

type RepairRequest = Extract<PeerMessage, { type: 'repairRequest' }>;
type RepairReply = Extract<PeerMessage, { type: 'repairReply' }>;

/** Where what others ask for is read: whole batches, or none. They prove what they are given. */
export type ReadOwn = (offset: number, bytesMax: number) => Promise<readonly Batch[]>;

/** Whether a batch of this node's log may begin there. */
type MayHold = (offset: number) => Promise<boolean>;

export class Repairs implements Donor {
  readonly #readOwn: ReadOwn;
  readonly #peers: readonly NodeId[];
  readonly #clock: Clock;
  readonly #links: Pick<Links, 'send'>;
  readonly #linked = new Set<NodeId>();
  readonly #questions = new Map<number, Question>();
  readonly #answering: Answering = new Set();
  #mayHold: MayHold = () => Promise.resolve(true);
  #lastId = 0;
  #isStopped = false;

  constructor(
    peers: readonly NodeId[],
    clock: Clock,
    links: Pick<Links, 'send'>,
    readOwn: ReadOwn,
  ) {
    this.#peers = peers;
    this.#clock = clock;
    this.#links = links;
    this.#readOwn = readOwn;
  }

  /** The log is open: until then nobody can tell what has been in it. */
  opened(mayHold: MayHold): void {
    this.#mayHold = mayHold;
  }

  /**
   * From the `source`-th peer; undefined behind the last one. None if it has none there. Rejects
   * with DATA_CORRUPT if it has lost them, with UNAVAILABLE if it does not answer, and with
   * SHUTTING_DOWN.
   */
  async batchesFrom(
    source: number,
    offset: number,
    bytesMax: number,
  ): Promise<readonly Batch[] | undefined> {
    if (this.#isStopped) throw stopped();
    const peer = this.#peers[source];
    if (peer === undefined) return undefined;
    if (!this.#linked.has(peer)) throw new LogLogError('UNAVAILABLE', `no link to ${peer}`);
    const id = ++this.#lastId;
    const bytes = Math.min(bytesMax, answerBytesMax);
    return new Promise((resolve, reject) => {
      const timer = this.#clock.after(answerMsMax, () => {
        this.#questions.delete(id);
        reject(new LogLogError('UNAVAILABLE', `${peer} does not answer`));
      });
      this.#questions.set(id, { peer, timer, answer: resolve, fail: reject });
      this.#links.send(peer, { type: 'repairRequest', term: 0, id, offset, bytesMax: bytes });
    });
  }

  /** Questions get through to the peer, or no longer. */
  link(peer: NodeId, isUp: boolean): void {
    if (isUp) this.#linked.add(peer);
    else this.#linked.delete(peer);
  }

  /** A peer asks. One question of each is answered at a time: it waits for the answer itself. */
  async requested(from: NodeId, { id, offset, bytesMax }: RepairRequest): Promise<void> {
    if (this.#answering.has(from)) return;
    this.#answering.add(from);
    try {
      const batches = await this.#readOwn(offset, Math.min(bytesMax, answerBytesMax));
      const items = batches.map(inline);
      const lost = items.length === 0 && (await this.#mayHold(offset));
      this.#links.send(from, { type: 'repairReply', term: 0, id, items, lost });
    } catch {
      this.#links.send(from, { type: 'repairReply', term: 0, id, items: [], lost: true });
    } finally {
      this.#answering.delete(from);
    }
  }

  /** A peer answers. Throws INVALID_ARGUMENT if what it gives is no batch. */
  replied(from: NodeId, { id, items, lost }: RepairReply): void {
    const question = this.#questions.get(id);
    if (question?.peer !== from) return;
    const batches = items.map(batchOf);
    this.#questions.delete(id);
    question.timer.cancel();
    if (lost) question.fail(new LogLogError('DATA_CORRUPT', `${from} has lost it too`));
    else question.answer(batches);
  }

  stop(): void {
    this.#isStopped = true;
    for (const question of this.#questions.values()) {
      question.timer.cancel();
      question.fail(stopped());
    }
    this.#questions.clear();
  }
}

/** What became of rot that somebody met. */
export function reportMended(logger: Logger, mended: Mended): void {
  const { baseOffset, ranges, bytes, unproven } = mended;
  if (ranges > 0) {
    logger.warn({ baseOffset, ranges, bytes }, 'repaired the log from other nodes');
  }
  if (unproven === undefined) return;
  const { message: reason } = unproven.rot;
  logger.error({ reason }, 'the log has rotted, and no other node can repair it now');
}

function stopped(): LogLogError {
  return new LogLogError('SHUTTING_DOWN', 'the node is shutting down');
}

function inline(batch: Batch): Item {
  return { type: 'inline', headerBytes: batch.headerBytes, body: batch.body };
}

function batchOf(item: Item): Batch {
  if (item.type !== 'inline') throw malformed('a reference');
  const decoded = decodeBatch(Buffer.concat([item.headerBytes, item.body]));
  if (!decoded.ok) throw malformed(decoded.reason);
  return decoded.batch;
}

function malformed(reason: string): LogLogError {
  return new LogLogError('INVALID_ARGUMENT', `bad message from a peer: a repair with ${reason}`);
}
