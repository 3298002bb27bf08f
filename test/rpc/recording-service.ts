/** A service that records what reaches it and answers what it is told to. */
import { LogLogError } from '../../proto/errors.js';
import type {
  LogLogService,
  NodeStatus,
  Page,
  TailHandlers,
  TailRequest,
  UploadFrame,
  UploadHandlers,
  UploadHello,
} from '../../proto/service.js';

export const status: NodeStatus = {
  protocolVersion: 1,
  version: '0.1.0',
  clusterId: 'cluster-1',
  nodeId: 'node-b',
  processId: 4711,
  role: 'follower',
  term: 7,
  leader: { leader: { id: 'node-a', address: 'localhost:4001' }, term: 7 },
  firstOffset: 96,
  durableOffset: 2 ** 53 - 2,
  commitOffset: 2 ** 40,
  endOffset: Number.MAX_SAFE_INTEGER,
  chain: '00112233445566778899aabbccddeeff',
  dataEnd: 2 ** 33,
  residentBytes: 123_456_789,
  cpuMicros: 2 ** 33,
  peerBytesSent: 2 ** 34,
  incarnation: 1,
  admitted: true,
  repairs: { ranges: 2, bytes: 300 },
  nodes: [{ id: 'node-a', address: 'localhost:4001' }, { id: 'node-b' }],
  staged: {
    stagedBatches: 1,
    stagedBytes: 2,
    matchedBatches: 3,
    matchedBytes: 4,
    inlinedBatches: 5,
    inlinedBytes: 6,
    missing: 7,
    missingBytes: 8,
    mismatched: 9,
    mismatchedBytes: 10,
    expired: 11,
    expiredBytes: 12,
    heldBatches: 13,
    heldBytes: 14,
  },
};

export const page: Page = {
  offset: 4096,
  next: 8192,
  commitOffset: 2 ** 52,
  batches: Buffer.from('whole batches as they lie on disk'),
};

/** One upload stream as the service sees it. */
export class RecordedUpload {
  readonly hello: UploadHello;
  readonly handlers: UploadHandlers;
  readonly frames: UploadFrame[] = [];
  closed = false;
  /** What `send` returns. */
  hasRoom = true;

  constructor(hello: UploadHello, handlers: UploadHandlers) {
    this.hello = hello;
    this.handlers = handlers;
  }

  send(frame: UploadFrame): boolean {
    this.frames.push(frame);
    return this.hasRoom;
  }

  close(): void {
    this.closed = true;
  }
}

/** One tail as the service sees it. */
export class RecordedTail {
  readonly request: TailRequest;
  readonly handlers: TailHandlers;
  readonly credits: number[] = [];
  closed = false;

  constructor(request: TailRequest, handlers: TailHandlers) {
    this.request = request;
    this.handlers = handlers;
  }

  credit(pages: number): void {
    this.credits.push(pages);
  }

  close(): void {
    this.closed = true;
  }
}

export class RecordingService implements LogLogService {
  readonly requests: unknown[] = [];
  readonly signals: AbortSignal[] = [];
  readonly uploads: RecordedUpload[] = [];
  readonly tails: RecordedTail[] = [];
  /** Thrown by every call that begins while it is set. */
  failure: Error | undefined;
  /** Resolves unary calls; never, to keep them waiting. */
  gate: Promise<void> = Promise.resolve();

  append(request: unknown, signal: AbortSignal) {
    return this.#answer(request, signal, { offset: 192, end: 300, entryOffsets: [288, 294] });
  }

  read(request: unknown, signal: AbortSignal) {
    return this.#answer(request, signal, page);
  }

  end(request: unknown, signal: AbortSignal) {
    return this.#answer(request, signal, { end: 2 ** 53 - 1, dataEnd: 0 });
  }

  status(request: unknown, signal: AbortSignal) {
    return this.#answer(request, signal, status);
  }

  transfer(request: unknown, signal: AbortSignal) {
    return this.#answer(request, signal, { leader: 'node-c', term: 8 });
  }

  upload(hello: UploadHello, handlers: UploadHandlers): RecordedUpload {
    if (this.failure !== undefined) throw this.failure;
    const upload = new RecordedUpload(hello, handlers);
    this.uploads.push(upload);
    return upload;
  }

  tail(request: TailRequest, handlers: TailHandlers): RecordedTail {
    if (this.failure !== undefined) throw this.failure;
    const tail = new RecordedTail(request, handlers);
    this.tails.push(tail);
    return tail;
  }

  async #answer<Reply>(request: unknown, signal: AbortSignal, reply: Reply): Promise<Reply> {
    this.requests.push(request);
    this.signals.push(signal);
    if (this.failure !== undefined) throw this.failure;
    await this.gate;
    return reply;
  }
}

export const conditionFailed = new LogLogError('CONDITION_FAILED', 'the end is another: ✓ 100%', {
  outcome: 'none',
  end: 0,
  limit: 5,
  firstOffset: 2 ** 53 - 1,
  leader: { id: 'node-a', address: 'localhost:4001' },
});
