/**
 * What a leader sends of its log: for each peer and batch, a reference if the peer should hold the
 * body already, else the batch inline. Batches that memory has lost are read from the disk, at a
 * limited rate.
 */
import type { Batch, BatchHeader, ProducerId } from '../proto/batch.js';
import { batchEnd, noProducer } from '../proto/batch.js';
import type { Clock, RandomSource } from '../proto/clock.js';
import type { Log } from './log/log.js';
import { isLoss } from './log/rot.js';
import type { Item, PeerAppend, PeerTransport } from './peers.js';
import type { Mark, Message, NodeId } from './raft/types.js';
import { digestOf, newDigestKey } from './uploads/digest.js';

/** How fast a peer is brought up from the disk: the others need the disk as well. */
const catchUpBytesPerSecondMax = 128 * 2 ** 20;

/**
 * Batches of a producer that go inline after a peer lacked one: few at first, since a body may just
 * have been late, and twice as many each time, since uploads may never get there.
 */
const inlineAfterMissing = { first: 1, max: 256 } as const;

/** References that must not be missed before a producer's uploads are trusted as at first. */
const trustedAfterReferences = 64;

/** Ordered batches whose way to the peers is remembered; older ones go inline. */
const ordersMax = 8192;

/** Peers and producers whose missing bodies are remembered. */
const distrustMax = 1024;

/** What cannot be read is not tried again at once. */
const unreadableRetryMs = 1000;

/** Body bytes in one answer to a peer that lacks some; a single larger body still goes. */
const bodiesBytesMax = 2 ** 20;

interface Order {
  /** Bit i: the client sent the body to members[i] too. */
  readonly uploadedTo: number;
  readonly digest: Buffer;
}

/** What a leader does after a peer lacked a body that a producer claimed to have sent. */
interface Distrust {
  /** Batches that still go inline. */
  inlineLeft: number;
  /** How many will, after the next miss. */
  inlineNext: number;
  referencesSent: number;
}

type CoreAppend = Extract<Message, { type: 'append' }>;

type Sender = Pick<PeerTransport, 'send'>;

export class Outbox {
  readonly #log: Log;
  readonly #members: readonly NodeId[];
  readonly #transport: Sender;
  readonly #clock: Clock;
  readonly #random: RandomSource;
  readonly #onFailed: (error: unknown) => void;
  #digestKey: Buffer;
  readonly #orders = new Map<number, Order>();
  /** What was read from the disk for a peer, until the next read. */
  readonly #loaded = new Map<NodeId, ReadonlyMap<number, Batch>>();
  /** Appends that wait for the disk; the core's limit on what is in flight bounds them. */
  readonly #waiting = new Map<NodeId, CoreAppend[]>();
  /** What was ordered before the link to a peer came up, its memory may never have held. */
  readonly #linkedAt = new Map<NodeId, number>();
  /** By peer and producer. */
  readonly #distrust = new Map<string, Distrust>();
  readonly #nextLoadMs = new Map<NodeId, number>();

  constructor(
    log: Log,
    members: readonly NodeId[],
    transport: Sender,
    clock: Clock,
    random: RandomSource,
    /** The log could not be read. */
    onFailed: (error: unknown) => void,
  ) {
    this.#log = log;
    this.#members = members;
    this.#transport = transport;
    this.#clock = clock;
    this.#random = random;
    this.#onFailed = onFailed;
    this.#digestKey = newDigestKey(random);
  }

  /** A key authenticates one body at each offset, so every term has its own (uploads/digest.ts). */
  beginTerm(): void {
    this.#digestKey = newDigestKey(this.#random);
    this.#orders.clear();
    this.#distrust.clear();
  }

  ordered({ header, body }: Batch, uploadedTo: number): void {
    if (uploadedTo === 0) return;
    const digest = digestOf(this.#digestKey, header.offset, body);
    this.#orders.set(header.offset, { uploadedTo, digest });
    for (const oldest of this.#orders.keys()) {
      if (this.#orders.size <= ordersMax) break;
      this.#orders.delete(oldest);
    }
  }

  link(peer: NodeId, up: boolean): void {
    this.#loaded.delete(peer);
    this.#waiting.delete(peer);
    if (up) this.#linkedAt.set(peer, this.#log.endOffset);
  }

  /** Sends an append with its batches; one that needs the disk holds up those behind it. */
  send(to: NodeId, append: CoreAppend): void {
    const waiting = this.#waiting.get(to);
    if (waiting !== undefined) {
      waiting.push(append);
    } else if (!this.#sendFromMemory(to, append)) {
      const queue = [append];
      this.#waiting.set(to, queue);
      this.#sendWaiting(to, queue).catch(this.#onFailed);
    }
  }

  /** Reads batches for a peer. What comes is kept for the appends that will name it. */
  async load(peer: NodeId, offset: number, bytesMax: number): Promise<readonly Batch[]> {
    await this.#turn(peer, bytesMax);
    const batches = await this.#batchesFrom(offset, bytesMax);
    this.#loaded.set(peer, new Map(batches.map((batch) => [batch.header.offset, batch])));
    return batches;
  }

  /** Answers a follower that lacks bodies. */
  async bodiesFor(peer: NodeId, term: number, offsets: readonly number[]): Promise<void> {
    let items: Item[] = [];
    let bytes = 0;
    for (const offset of offsets) {
      const batch = this.#log.recentBatch(offset) ?? (await this.#batchesFrom(offset, 1))[0];
      if (batch?.header.offset !== offset) continue;
      this.#missed(peer, batch.header.producer);
      items.push({ type: 'inline', headerBytes: batch.headerBytes, body: batch.body });
      bytes += batch.body.length;
      if (bytes < bodiesBytesMax) continue;
      this.#transport.send(peer, { type: 'bodies', term, items });
      items = [];
      bytes = 0;
    }
    if (items.length > 0) this.#transport.send(peer, { type: 'bodies', term, items });
  }

  #sendFromMemory(to: NodeId, { marks, ...rest }: CoreAppend): boolean {
    const items: Item[] = [];
    for (const mark of marks) {
      const item = this.#itemFor(to, mark);
      if (item === undefined) return false;
      items.push(item);
    }
    const append: PeerAppend = { ...rest, digestKey: this.#digestKey, items };
    this.#transport.send(to, append);
    return true;
  }

  /** Ends when the queue is empty, or is no longer the peer's because its link went. */
  async #sendWaiting(to: NodeId, queue: CoreAppend[]): Promise<void> {
    for (let append = queue.shift(); append !== undefined; append = queue.shift()) {
      const [first] = append.marks;
      const last = append.marks.at(-1);
      // One without batches only asks how far the peer is; it waits for its turn and no longer.
      if (first !== undefined && last !== undefined) {
        await this.#loadRun(to, first.offset, last.end);
      }
      if (this.#waiting.get(to) !== queue) return;
      // What is still missing was truncated, or is not on the disk yet: the core sends it again.
      this.#sendFromMemory(to, append);
    }
    this.#waiting.delete(to);
  }

  #itemFor(to: NodeId, mark: Mark): Item | undefined {
    const loaded = this.#loaded.get(to)?.get(mark.offset);
    if (loaded !== undefined && loaded.header.chain === mark.chain) return inline(loaded);
    const order = this.#orders.get(mark.offset);
    const head = order && this.#log.recentHead(mark.offset);
    if (order !== undefined && head !== undefined && this.#holds(to, head.header, order)) {
      return { type: 'reference', headerBytes: head.headerBytes, digest: order.digest };
    }
    const batch = this.#log.recentBatch(mark.offset);
    return batch && inline(batch);
  }

  #holds(peer: NodeId, { offset, producer }: BatchHeader, order: Order): boolean {
    if ((order.uploadedTo & (1 << this.#members.indexOf(peer))) === 0) return false;
    if (offset < (this.#linkedAt.get(peer) ?? 0)) return false;
    const key = `${peer} ${producer}`;
    const distrust = this.#distrust.get(key);
    if (distrust === undefined) return true;
    if (distrust.inlineLeft > 0) {
      distrust.inlineLeft -= 1;
      return false;
    }
    distrust.referencesSent += 1;
    if (distrust.referencesSent >= trustedAfterReferences) this.#distrust.delete(key);
    return true;
  }

  #missed(peer: NodeId, producer: ProducerId): void {
    if (producer === noProducer) return;
    const key = `${peer} ${producer}`;
    if (this.#distrust.size >= distrustMax) this.#distrust.clear();
    const inlineLeft = this.#distrust.get(key)?.inlineNext ?? inlineAfterMissing.first;
    const inlineNext = Math.min(2 * inlineLeft, inlineAfterMissing.max);
    this.#distrust.set(key, { inlineLeft, inlineNext, referencesSent: 0 });
  }

  /** All batches of an append; one read ends with its segment. */
  async #loadRun(peer: NodeId, offset: number, end: number): Promise<void> {
    await this.#turn(peer, end - offset);
    const loaded = new Map<number, Batch>();
    for (let at = offset; at < end;) {
      const batches = await this.#batchesFrom(at, end - at);
      const last = batches.at(-1);
      if (last === undefined) break;
      for (const batch of batches) loaded.set(batch.header.offset, batch);
      at = batchEnd(last.header);
    }
    this.#loaded.set(peer, loaded);
  }

  /** None where this disk has lost them and no other node can give them now. */
  async #batchesFrom(offset: number, bytesMax: number): Promise<readonly Batch[]> {
    try {
      return await this.#log.batchesFrom(offset, bytesMax);
    } catch (error) {
      if (!isLoss(error)) throw error;
      await this.#pause(unreadableRetryMs);
      return [];
    }
  }

  async #turn(peer: NodeId, bytes: number): Promise<void> {
    const nowMs = this.#clock.monotonicMs();
    const turnMs = Math.max(nowMs, this.#nextLoadMs.get(peer) ?? 0);
    this.#nextLoadMs.set(peer, turnMs + (bytes * 1000) / catchUpBytesPerSecondMax);
    if (turnMs > nowMs) await this.#pause(turnMs - nowMs);
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.#clock.after(delayMs, resolve));
  }
}

function inline(batch: Batch): Item {
  return { type: 'inline', headerBytes: batch.headerBytes, body: batch.body };
}
