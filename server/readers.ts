/**
 * Reads of what is committed and on this node's disk: pages, tails with credits, and those who
 * wait for more. Waiters and reads of the disk are bounded.
 */
import type { Clock, Timer } from '../proto/clock.js';
import { LogLogError } from '../proto/errors.js';
import { headerBytes } from '../proto/limits.js';
import type { Page, ReadRequest, TailHandlers, TailRequest, TailStream } from '../proto/service.js';
import type { Log } from './log/log.js';
import { isLoss } from './log/rot.js';

/** A page is at most this long, unless a single batch is longer. */
export const pageBytesMax = 4 * 2 ** 20;

/** The longest wait of one read. */
export const waitMsMax = 300_000;

/** Reads and tails that wait for more at a time. */
export const waitersMax = 65_536;

/** Reads of the disk at a time: each holds a page in memory. */
const diskReadsMax = 16;

/** Reads that wait for their turn at the disk. */
const diskReadsWaitingMax = 4096;

/** Tail readers at a time. */
export const tailsMax = 16_384;

/** Pages that a tail reader can be ready for. */
export const creditsMax = 1024;

/** Why a waiter wakes. */
type Wake = 'more' | 'leader' | 'time';

interface Waiter {
  readonly offset: number;
  wake(reason: Wake): void;
  fail(error: LogLogError): void;
}

export class Readers {
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #readableOffset: () => number;
  readonly #onFailed: (error: unknown) => void;
  readonly #waiters = new Set<Waiter>();
  readonly #tails = new Set<Tail>();
  readonly #gate = new Gate(diskReadsMax);
  #seenOffset = 0;
  #stopped: LogLogError | null = null;

  /** `onFailed`: the disk does not give back what was written. */
  constructor(
    log: Log,
    clock: Clock,
    readableOffset: () => number,
    onFailed: (error: unknown) => void,
  ) {
    this.#log = log;
    this.#clock = clock;
    this.#readableOffset = readableOffset;
    this.#onFailed = onFailed;
  }

  /** Up to here everything is committed, and verified and synced on this node. */
  get readableOffset(): number {
    return this.#readableOffset();
  }

  async read(request: ReadRequest, signal: AbortSignal): Promise<Page> {
    checkOffset(request.offset);
    checkLimit(request.limit);
    if (!Number.isSafeInteger(request.waitMs) || request.waitMs < 0) {
      throw new LogLogError('INVALID_ARGUMENT', `a wait of ${request.waitMs} ms`);
    }
    if (request.offset >= this.#readableOffset() && request.waitMs > 0) {
      await this.#more(request.offset, Math.min(request.waitMs, waitMsMax), signal);
    }
    const end = this.#readableOffset();
    if (request.offset > end) {
      throw new LogLogError(
        'OFFSET_BEYOND_END',
        `offset ${request.offset} is beyond the end, which is ${end} on this node`,
        { end },
      );
    }
    return this.page(request.offset, request.limit);
  }

  tail(request: TailRequest, handlers: TailHandlers): TailStream {
    checkOffset(request.offset);
    checkLimit(request.limit);
    if (this.#stopped !== null) throw this.#stopped;
    if (this.#tails.size >= tailsMax) throw tooMany('tail readers', tailsMax);
    const tail = new Tail(this, request, handlers, () => this.#tails.delete(tail));
    this.#tails.add(tail);
    return tail;
  }

  /** The page at an offset, empty at the end. */
  page(offset: number, limit: number): Page | Promise<Page> {
    const below = this.#readableOffset();
    const { firstOffset } = this.#log;
    if (offset < firstOffset) {
      throw new LogLogError('OFFSET_TRIMMED', `the log begins at ${firstOffset}`, { firstOffset });
    }
    const commitOffset = below;
    if (offset >= below) {
      return { offset, next: offset, commitOffset, batches: Buffer.alloc(0) };
    }
    const bytesMax = Math.min(Math.max(limit, headerBytes), pageBytesMax);
    const recent = this.#log.readRecent(offset, bytesMax, below);
    if (recent !== undefined) {
      return { offset: recent.offset, next: recent.next, commitOffset, batches: recent.bytes };
    }
    return this.#gate.run(() => this.#readDisk(offset, bytesMax, below));
  }

  /** Resolves when there is something at `offset`, the leader is another, or time is up. */
  async wait(offset: number, waitMs: number, signal?: AbortSignal): Promise<Wake> {
    return this.#more(offset, waitMs, signal);
  }

  /** More may have become readable. */
  advanced(): void {
    const readable = this.#readableOffset();
    if (readable <= this.#seenOffset) return;
    this.#seenOffset = readable;
    for (const waiter of this.#waiters) if (waiter.offset < readable) waiter.wake('more');
    for (const tail of this.#tails) tail.advance();
  }

  leaderChanged(): void {
    for (const waiter of this.#waiters) waiter.wake('leader');
  }

  stop(error: LogLogError): void {
    this.#stopped = error;
    for (const waiter of this.#waiters) waiter.fail(error);
    for (const tail of this.#tails) tail.end(error);
  }

  async #readDisk(offset: number, bytesMax: number, below: number): Promise<Page> {
    try {
      const { offset: first, next, bytes } = await this.#log.read(offset, bytesMax, below);
      return { offset: first, next, commitOffset: below, batches: bytes };
    } catch (error) {
      // What is lost concerns this place alone, until it is repaired. Whoever asked is told first.
      if (!isLoss(error)) this.#clock.soon(() => this.#onFailed(error));
      throw error;
    }
  }

  #more(offset: number, waitMs: number, signal?: AbortSignal): Promise<Wake> {
    if (this.#stopped !== null) return Promise.reject(this.#stopped);
    if (this.#readableOffset() > offset) return Promise.resolve('more');
    if (this.#waiters.size >= waitersMax) {
      return Promise.reject(tooMany('reads that wait', waitersMax));
    }
    return new Promise<Wake>((resolve, reject) => {
      let timer: Timer | null = null;
      const leave = () => {
        this.#waiters.delete(waiter);
        timer?.cancel();
        signal?.removeEventListener('abort', abort);
      };
      const abort = () => waiter.fail(new LogLogError('CANCELLED', 'the read was cancelled'));
      const waiter: Waiter = {
        offset,
        wake(reason) {
          leave();
          resolve(reason);
        },
        fail(error) {
          leave();
          reject(error);
        },
      };
      this.#waiters.add(waiter);
      timer = this.#clock.after(waitMs, () => waiter.wake('time'));
      signal?.addEventListener('abort', abort);
      if (signal?.aborted === true) abort();
    });
  }
}

/** One tail reader. It reads ahead of nobody: a page is made when there is a credit for it. */
class Tail implements TailStream {
  readonly #readers: Readers;
  readonly #limit: number;
  readonly #handlers: TailHandlers;
  readonly #onEnd: () => void;
  #offset: number;
  #credits = 0;
  #state: 'idle' | 'reading' | 'closed' = 'idle';

  constructor(
    readers: Readers,
    { offset, limit }: TailRequest,
    handlers: TailHandlers,
    onEnd: () => void,
  ) {
    this.#readers = readers;
    this.#offset = offset;
    this.#limit = limit;
    this.#handlers = handlers;
    this.#onEnd = onEnd;
  }

  credit(pages: number): void {
    if (!Number.isSafeInteger(pages) || pages < 1 || this.#credits + pages > creditsMax) {
      this.end(
        new LogLogError('INVALID_ARGUMENT', `${pages} credits besides ${this.#credits}`, {
          limit: creditsMax,
        }),
      );
      return;
    }
    this.#credits += pages;
    this.advance();
  }

  close(): void {
    this.end();
  }

  end(error?: LogLogError): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#onEnd();
    this.#handlers.onClose(error);
  }

  /** Sends what there is and what there are credits for. */
  advance(): void {
    try {
      while (this.#state === 'idle' && this.#credits > 0) {
        const page = this.#readers.page(this.#offset, this.#limit);
        if (page instanceof Promise) {
          this.#state = 'reading';
          void this.#deliverLater(page);
        } else if (page.batches.length > 0) {
          this.#deliver(page);
        } else {
          return;
        }
      }
    } catch (error) {
      this.end(asError(error));
    }
  }

  async #deliverLater(page: Promise<Page>): Promise<void> {
    try {
      const read = await page;
      if (this.#state === 'closed') return;
      this.#state = 'idle';
      this.#deliver(read);
    } catch (error) {
      this.end(asError(error));
      return;
    }
    this.advance();
  }

  #deliver(page: Page): void {
    this.#credits -= 1;
    this.#offset = page.next;
    this.#handlers.onPage(page);
  }
}

/** Lets a few through at a time, the others in order. */
class Gate {
  readonly #queue: (() => void)[] = [];
  #free: number;

  constructor(width: number) {
    this.#free = width;
  }

  async run<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#queue.length >= diskReadsWaitingMax) {
      throw tooMany('reads of the disk', diskReadsWaitingMax);
    }
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#queue.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#queue.shift();
      if (next === undefined) this.#free += 1;
      else next();
    }
  }
}

function tooMany(what: string, limit: number): LogLogError {
  return new LogLogError('RESOURCE_EXHAUSTED', `too many ${what} on this node`, { limit });
}

function asError(error: unknown): LogLogError {
  return error instanceof LogLogError
    ? error
    : new LogLogError('INTERNAL', `a read failed: ${String(error)}`, { cause: error });
}

function checkOffset(offset: number): void {
  if (!Number.isSafeInteger(offset) || offset < 0) {
    throw new LogLogError('OFFSET_INVALID', `an offset is a whole number from 0, not ${offset}`);
  }
}

function checkLimit(limit: number): void {
  if (!Number.isSafeInteger(limit) || limit < 1) {
    throw new LogLogError('LIMIT_INVALID', `a limit is a whole number from 1, not ${limit}`);
  }
}
