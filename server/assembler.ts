/**
 * How a follower puts batches together: references meet the bodies that clients uploaded, what is
 * missing is fetched from the leader, and the core is told of a batch only once all of it is here.
 */
import type { Batch, BatchHeader, ProducerId } from '../proto/batch.js';
import { batchEnd, decodeHeader, noProducer } from '../proto/batch.js';
import { bodyChecksum } from '../proto/checksum.js';
import type { Clock, Timer } from '../proto/clock.js';
import { LogLogError } from '../proto/errors.js';
import { admissionIn } from './log/incarnation.js';
import type { Item, PeerAppend, PeerMessage } from './peers.js';
import type { Mark, Message, NodeId } from './raft/types.js';
import { digestMatches } from './uploads/digest.js';
import type { StagingPool } from './uploads/pool.js';

/**
 * A timer that is later than this share of the wait tells that the process was held up: its bodies
 * may lie in the system's buffers, so the wait begins again, once.
 */
const heldUpShare = 0.25;

/**
 * A body may take so many waits if something else of its producer has come within as many: it is on
 * its way behind that, and would only be later if it had to be fetched as well.
 */
const waitsMax = 10;

/** Producers whose last upload is remembered. */
const heardMax = 4096;

/** Batches that wait for bodies; what comes beyond is dropped, and the leader sends it again. */
const waitingMax = 65_536;

/** Bodies asked for at a time. */
const requestBatchesMax = 256;
const requestBytesMax = 8 * 2 ** 20;

/** An answer to a request for bodies that has not come by then is asked for again. */
const requestAgainMs = 200;

type CoreAppend = Extract<Message, { type: 'append' }>;

interface Waiting {
  readonly header: BatchHeader;
  readonly headerBytes: Buffer;
  readonly digest: Buffer;
  readonly digestKey: Buffer;
  /** When its reference came; long ago if nothing good is to be waited for. */
  sinceMs: number;
  /** When its body is to be asked for (again). */
  requestAtMs: number;
  requested: boolean;
  /** It has been waited for again, because this process was held up. */
  postponed: boolean;
  body: Buffer | null;
}

/** Behind the first reference without a body, nothing goes to the core: this run waits. */
interface Run {
  readonly from: NodeId;
  readonly term: number;
  prev: Pick<CoreAppend, 'prevOffset' | 'prevTerm' | 'prevChain'>;
  commitOffset: number;
  readonly waiting: Waiting[];
}

export interface AssemblerHandlers {
  /** An append whose marks all have their batches. */
  deliver(from: NodeId, append: CoreAppend, batches: readonly Batch[]): void;
  send(to: NodeId, message: PeerMessage): void;
  /** The leader did not give a body: whoever uploads for this producer may have it still. */
  askProducer(producer: ProducerId, sequence: number): void;
  /** The batch at `offset`, if the log holds one and it is still in memory. */
  recentBatch(offset: number): Batch | undefined;
}

export class Assembler {
  readonly #pool: StagingPool;
  readonly #clock: Clock;
  readonly #referenceWaitMs: number;
  readonly #handlers: AssemblerHandlers;
  #run: Run | null = null;
  /** When each producer has uploaded something last. */
  readonly #heardMs = new Map<ProducerId, number>();
  #timer: Timer | null = null;

  constructor(
    pool: StagingPool,
    clock: Clock,
    referenceWaitMs: number,
    handlers: AssemblerHandlers,
  ) {
    this.#pool = pool;
    this.#clock = clock;
    this.#referenceWaitMs = referenceWaitMs;
    this.#handlers = handlers;
  }

  /** Takes an append. Throws INVALID_ARGUMENT if an item is not what it should be. */
  append(from: NodeId, message: PeerAppend): void {
    const waiting = this.#waitingOf(message);
    const { term, prevOffset, prevTerm, prevChain, commitOffset } = message;
    const prev = { prevOffset, prevTerm, ...(prevChain !== undefined && { prevChain }) };
    const run = this.#run;
    if (run !== null && term < run.term) {
      this.#handlers.deliver(from, { type: 'append', term, ...prev, commitOffset, marks: [] }, []);
    } else if (run?.from === from && run.term === term && prevOffset === endOf(run)) {
      // It waits behind the others: the core would refuse what does not follow its log yet.
      if (run.waiting.length + waiting.length > waitingMax) return;
      run.waiting.push(...waiting);
      run.commitOffset = commitOffset;
      this.#advance(false);
    } else {
      this.#run = { from, term, prev, commitOffset, waiting };
      this.#advance(true);
    }
  }

  /** Bodies that were asked for. Throws INVALID_ARGUMENT like `append`. */
  bodies(items: readonly Item[]): void {
    const run = this.#run;
    if (run === null) return;
    const wanted = new Map(run.waiting.map((waiting) => [waiting.header.offset, waiting]));
    for (const item of items) {
      if (item.type !== 'inline') throw malformed('a body without a body');
      const header = headerOf(item);
      const waiting = wanted.get(header.offset);
      if (waiting === undefined || waiting.header.chain !== header.chain) continue;
      waiting.body = this.#inlined(header, item.body);
    }
    this.#advance(false);
  }

  /** The producer has uploaded something: perhaps it is what the first reference waits for. */
  staged(producer: ProducerId): void {
    if (this.#heardMs.size >= heardMax) this.#heardMs.clear();
    this.#heardMs.set(producer, this.#clock.monotonicMs());
    if (this.#run !== null) this.#advance(false);
  }

  /** Forgets what waits: a leader sends again what is needed. */
  stop(): void {
    this.#run = null;
    this.#timer?.cancel();
    this.#timer = null;
  }

  #waitingOf(message: PeerAppend): Waiting[] {
    const sinceMs = this.#clock.monotonicMs();
    const requestAtMs = sinceMs + this.#referenceWaitMs;
    const { digestKey } = message;
    let offset = message.prevOffset;
    return message.items.map((item) => {
      const header = headerOf(item);
      if (header.offset !== offset)
        throw malformed('batches of an append do not follow each other');
      offset = batchEnd(header);
      const { headerBytes } = item;
      const common = {
        header,
        headerBytes,
        digestKey,
        sinceMs,
        requestAtMs,
        requested: false,
        postponed: false,
      };
      return item.type === 'inline'
        ? { ...common, digest: noDigest, body: this.#inlined(header, item.body) }
        : { ...common, digest: item.digest, body: null };
    });
  }

  #inlined(header: BatchHeader, body: Buffer): Buffer {
    const checked = checkedBody(header, body);
    if (header.producer !== noProducer && body.length > 0) {
      this.#pool.countInlined(body.length);
      this.#pool.superseded(header);
    }
    return checked;
  }

  /** Hands over every batch in front that is complete. `always`: also when there is none. */
  #advance(always: boolean): void {
    const run = this.#run;
    if (run === null) return;
    const batches: Batch[] = [];
    for (const { header, headerBytes, body } of completeFront(run.waiting, (w) => this.#fill(w))) {
      batches.push({ header, headerBytes, body });
    }
    run.waiting.splice(0, batches.length);
    const { from, term, prev, commitOffset } = run;
    const last = batches.at(-1);
    if (last !== undefined) {
      run.prev = {
        prevOffset: batchEnd(last.header),
        prevTerm: last.header.term,
        prevChain: last.header.chain,
      };
    }
    if (run.waiting.length === 0) this.stop();
    else this.#wake();
    if (!always && batches.length === 0) return;
    const marks = batches.map(markOf);
    this.#handlers.deliver(from, { type: 'append', term, ...prev, commitOffset, marks }, batches);
  }

  /** Finds the body of a reference, if it is here. */
  #fill(waiting: Waiting): Buffer | null {
    if (waiting.body !== null) return waiting.body;
    const { header, digestKey, digest } = waiting;
    const held = this.#handlers.recentBatch(header.offset);
    if (held?.header.chain === header.chain) return held.body;
    const found = this.#pool.match(header, (body) =>
      digestMatches(digestKey, header.offset, body, digest),
    );
    if (found.type === 'matched') return found.body;
    if (found.type === 'mismatched') {
      waiting.requestAtMs = this.#clock.monotonicMs();
      waiting.sinceMs = -Infinity;
    }
    return null;
  }

  #wake(): void {
    const first = this.#run?.waiting[0];
    if (first === undefined || this.#timer !== null) return;
    const delayMs = Math.max(0, first.requestAtMs - this.#clock.monotonicMs());
    this.#timer = this.#clock.after(delayMs, () => {
      // Whoever was held up himself finds the body among what has arrived meanwhile.
      this.#clock.soon(() => {
        this.#timer = null;
        const lateMs = this.#clock.monotonicMs() - first.requestAtMs;
        this.#postpone(lateMs > heldUpShare * this.#referenceWaitMs);
        this.#request();
        this.#wake();
      });
    });
  }

  /** Waits again for what is due, if this process was held up, once, and for what is coming. */
  #postpone(wasHeldUp: boolean): void {
    const nowMs = this.#clock.monotonicMs();
    for (const waiting of this.#run?.waiting ?? []) {
      if (waiting.requestAtMs > nowMs) break;
      const isHeldUp = wasHeldUp && !waiting.postponed;
      if (waiting.requested || !(isHeldUp || this.#isComing(waiting, nowMs))) continue;
      waiting.postponed ||= isHeldUp;
      waiting.requestAtMs = nowMs + this.#referenceWaitMs;
    }
  }

  #isComing({ header, sinceMs }: Waiting, nowMs: number): boolean {
    const heardMs = this.#heardMs.get(header.producer) ?? -Infinity;
    return nowMs - Math.min(heardMs, sinceMs) < waitsMax * this.#referenceWaitMs;
  }

  #request(): void {
    const run = this.#run;
    if (run === null) return;
    const nowMs = this.#clock.monotonicMs();
    const offsets: number[] = [];
    let bytes = 0;
    for (const waiting of run.waiting) {
      if (waiting.requestAtMs > nowMs || offsets.length >= requestBatchesMax) break;
      if (bytes >= requestBytesMax) break;
      waiting.body = this.#fill(waiting);
      if (waiting.body !== null) continue;
      offsets.push(waiting.header.offset);
      bytes += waiting.header.bodyBytes;
      waiting.requestAtMs = nowMs + requestAgainMs;
      const { bodyBytes, producer, sequence } = waiting.header;
      if (waiting.requested) this.#handlers.askProducer(producer, sequence);
      else this.#pool.countMissing(bodyBytes);
      waiting.requested = true;
    }
    if (offsets.length > 0) {
      this.#handlers.send(run.from, { type: 'bodyRequest', term: run.term, offsets });
    }
    if (run.waiting[0]?.body !== null) this.#advance(false);
  }
}

const noDigest = Buffer.alloc(0);

type Complete = Waiting & { readonly body: Buffer };

function completeFront(waiting: readonly Waiting[], fill: (w: Waiting) => Buffer | null) {
  const complete: Complete[] = [];
  for (const one of waiting) {
    const body = fill(one);
    if (body === null) break;
    complete.push({ ...one, body });
  }
  return complete;
}

function endOf(run: Run): number {
  const last = run.waiting.at(-1);
  return last === undefined ? run.prev.prevOffset : batchEnd(last.header);
}

function headerOf(item: Item): BatchHeader {
  const decoded = decodeHeader(item.headerBytes);
  if (!decoded.ok) throw malformed(decoded.reason);
  return decoded.header;
}

function checkedBody(header: BatchHeader, body: Buffer): Buffer {
  if (body.length !== header.bodyBytes || bodyChecksum(body) !== header.bodyChecksum) {
    throw malformed(`the body of the batch at ${header.offset} is not what its header says`);
  }
  return body;
}

function malformed(reason: string): LogLogError {
  return new LogLogError('INVALID_ARGUMENT', `bad message from a peer: ${reason}`);
}

/** What the core is told of a batch. */
export function markOf({ header, body }: Batch): Mark {
  const { kind, offset, term, chain } = header;
  const mark = { offset, end: batchEnd(header), term, chain };
  return kind === 'incarnation' ? { ...mark, admission: admissionIn(body) } : mark;
}
