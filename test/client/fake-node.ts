import { LogLogError } from '../../proto/errors.js';
import type {
  AppendReply,
  EndReply,
  LogLogService,
  NodeStatus,
  Page,
  ReadRequest,
  TailHandlers,
  TailRequest,
  TailStream,
  TransferReply,
  UploadFrame,
  UploadHandlers,
  UploadHello,
  UploadReply,
  UploadStream,
} from '../../proto/service.js';
import type { FakeCluster } from './fake-cluster.js';
import { nothingStaged } from './nothing-staged.js';

/** How long a message takes, each way. */
export const latencyMs = 1;

/** `stopped`: takes what it is sent and is silent, like a process under SIGSTOP. */
export type Health = 'up' | 'down' | 'stopped';

interface Upload {
  readonly hello: UploadHello;
  readonly handlers: UploadHandlers;
  isOpen: boolean;
}

interface Tail {
  readonly handlers: TailHandlers;
  readonly request: TailRequest;
  offset: number;
  credits: number;
  isOpen: boolean;
}

export class FakeNode implements LogLogService {
  readonly id: string;
  address: string;
  /** Every frame that was sent here, in order. */
  readonly frames: UploadFrame[] = [];
  /** Acknowledgements that get lost with their stream. */
  acknowledgementsToLose = 0;
  /** Acknowledges only so long after the commit. */
  acknowledgementDelayMs = 0;
  /** Refuses the next batches that it is asked to order. */
  readonly refusals: LogLogError[] = [];
  /** Its streams take nothing: `send` returns false, and there is never room again. */
  isStuck = false;
  /** It knows the log up to here. */
  endMax = Infinity;
  /** Its copy of the batch at this offset has a flipped bit. */
  rottenOffset: number | undefined;
  tailCount = 0;
  readonly #cluster: FakeCluster;
  #health: Health = 'up';
  readonly #uploads = new Set<Upload>();
  readonly #tails = new Set<Tail>();

  constructor(cluster: FakeCluster, id: string) {
    this.#cluster = cluster;
    this.id = id;
    this.address = `${id}:7600`;
  }

  get openTails(): number {
    return this.#tails.size;
  }

  set health(health: Health) {
    this.#health = health;
    if (health === 'down') this.cutStreams();
  }

  cutStreams(): void {
    const error = new LogLogError('UNAVAILABLE', `${this.address} hung up`);
    for (const upload of this.#uploads) this.#end(upload, error);
    for (const tail of this.#tails) this.#endTail(tail, error);
  }

  tellLeader(): void {
    const change = this.#cluster.leaderChange();
    for (const upload of this.#uploads) this.#reply(upload, { type: 'leader', change });
  }

  /** Asks the writers for these bodies. */
  askForMissing(sequences: readonly number[]): void {
    for (const upload of this.#uploads) this.#reply(upload, { type: 'missing', sequences });
  }

  feedTails(): void {
    for (const tail of this.#tails) this.#feed(tail);
  }

  async append(): Promise<AppendReply> {
    throw new LogLogError('INTERNAL', 'the client has its own way to append');
  }

  upload(hello: UploadHello, handlers: UploadHandlers): UploadStream {
    const upload: Upload = { hello, handlers, isOpen: true };
    this.#uploads.add(upload);
    if (this.#health === 'down') this.#end(upload, this.#refusedConnection());
    const { clusterId } = this.#cluster;
    const identity = { protocolVersion: 1, clusterId, nodeId: this.id };
    const leader = this.#cluster.leaderChange();
    this.#reply(upload, { type: 'welcome', ...identity, leader });
    return {
      send: (frame) => {
        this.frames.push(frame);
        this.#cluster.sent.push({ nodeId: this.id, frame });
        if (this.isStuck) return false;
        this.#later(() => this.#receive(upload, frame));
        return true;
      },
      close: () => this.#end(upload),
    };
  }

  read(request: ReadRequest, signal: AbortSignal): Promise<Page> {
    return this.#answer(signal, () => {
      if (request.offset > this.#visibleEnd()) throw this.#beyondEnd(request.offset);
      return this.#page(request.offset, request.limit);
    });
  }

  tail(request: TailRequest, handlers: TailHandlers): TailStream {
    const tail: Tail = { handlers, request, offset: request.offset, credits: 0, isOpen: true };
    this.#tails.add(tail);
    this.tailCount += 1;
    if (this.#health === 'down') this.#endTail(tail, this.#refusedConnection());
    return {
      credit: (pages) => {
        tail.credits += pages;
        this.#later(() => this.#feed(tail));
      },
      close: () => this.#endTail(tail),
    };
  }

  end(request: { linearizable: boolean }, signal: AbortSignal): Promise<EndReply> {
    return this.#answer(signal, () => {
      const { log, leaderId } = this.#cluster;
      if (!request.linearizable) return { end: this.#visibleEnd(), dataEnd: log.dataEnd };
      if (leaderId === undefined) throw new LogLogError('NO_LEADER', 'no leader');
      return { end: log.end, dataEnd: log.dataEnd };
    });
  }

  status(request: { clusterId?: string }, signal: AbortSignal): Promise<NodeStatus> {
    return this.#answer(signal, () => {
      const { clusterId, leaderId, term, nodes, unknown } = this.#cluster;
      if (request.clusterId !== undefined && request.clusterId !== clusterId) {
        throw new LogLogError('WRONG_CLUSTER', `this is cluster ${clusterId}`);
      }
      const end = this.#visibleEnd();
      return {
        protocolVersion: 1,
        version: '0.0.0',
        clusterId,
        nodeId: this.id,
        processId: 1,
        role: leaderId === this.id ? 'leader' : 'follower',
        term,
        leader: this.#cluster.leaderChange(),
        firstOffset: 0,
        durableOffset: end,
        commitOffset: end,
        endOffset: end,
        chain: '0'.repeat(32),
        dataEnd: this.#cluster.log.dataEnd,
        residentBytes: 0,
        cpuMicros: 0,
        peerBytesSent: 0,
        incarnation: 1,
        admitted: true,
        repairs: { ranges: 0, bytes: 0 },
        nodes: nodes.map(({ id, address }) =>
          id === this.id || !unknown.has(id) ? { id, address } : { id },
        ),
        staged: nothingStaged,
      };
    });
  }

  transfer(request: { to?: string }, signal: AbortSignal): Promise<TransferReply> {
    return this.#answer(signal, () => {
      if (this.#cluster.leaderId !== this.id) throw this.#cluster.notLeader();
      this.#cluster.setLeader(request.to ?? 'n2');
      return { leader: request.to ?? 'n2', term: this.#cluster.term };
    });
  }

  #receive(upload: Upload, frame: UploadFrame): void {
    if (!upload.isOpen || this.#health !== 'up' || frame.append === undefined) return;
    const { epoch, sequence } = frame;
    try {
      if (this.#cluster.leaderId !== this.id) throw this.#cluster.notLeader();
      const refusal = this.refusals.shift();
      if (refusal !== undefined) throw refusal;
      const acknowledgement = this.#cluster.log.order(
        upload.hello.producer,
        frame,
        this.#cluster.term,
      );
      this.#cluster.noteCommit();
      if (this.acknowledgementsToLose > 0) {
        this.acknowledgementsToLose -= 1;
        this.cutStreams();
      } else {
        const reply = { type: 'acknowledged', acknowledgements: [acknowledgement] } as const;
        const acknowledge = () => this.#reply(upload, reply);
        this.#cluster.nodeClock.after(this.acknowledgementDelayMs, acknowledge);
      }
    } catch (error) {
      if (!(error instanceof LogLogError)) throw error;
      this.#reply(upload, { type: 'refused', epoch, sequence, error });
    }
  }

  #reply(upload: Upload, reply: UploadReply): void {
    this.#later(() => {
      if (upload.isOpen && this.#health === 'up') upload.handlers.onReply(reply);
    });
  }

  #end(upload: Upload, error?: LogLogError): void {
    if (!upload.isOpen) return;
    upload.isOpen = false;
    this.#uploads.delete(upload);
    this.#later(() => upload.handlers.onClose(error));
  }

  #endTail(tail: Tail, error?: LogLogError): void {
    if (!tail.isOpen) return;
    tail.isOpen = false;
    this.#tails.delete(tail);
    this.#later(() => tail.handlers.onClose(error));
  }

  #feed(tail: Tail): void {
    while (
      tail.isOpen &&
      this.#health === 'up' &&
      tail.credits > 0 &&
      tail.offset < this.#visibleEnd()
    ) {
      const page = this.#page(tail.offset, tail.request.limit);
      if (page.batches.length === 0) return;
      tail.offset = page.next;
      tail.credits -= 1;
      tail.handlers.onPage(page);
    }
  }

  #page(offset: number, limit: number): Page {
    const end = this.#visibleEnd();
    const parts: Buffer[] = [];
    let first = offset;
    let next = offset;
    for (const { header, headerBytes, body } of this.#cluster.log.batches) {
      const batchEnds = header.offset + headerBytes.length + body.length;
      if (batchEnds <= offset || batchEnds > end) continue;
      if (parts.length > 0 && batchEnds - first > limit) break;
      if (parts.length === 0) first = header.offset;
      const bytes = Buffer.concat([headerBytes, body]);
      if (header.offset === this.rottenOffset) bytes.writeUInt8(bytes.readUInt8(0) ^ 1, 0);
      parts.push(bytes);
      next = batchEnds;
    }
    return { offset: first, next, commitOffset: end, batches: Buffer.concat(parts) };
  }

  #visibleEnd(): number {
    return Math.min(this.#cluster.log.end, this.endMax);
  }

  #beyondEnd(offset: number): LogLogError {
    return new LogLogError('OFFSET_BEYOND_END', `${offset} is beyond`, { end: this.#visibleEnd() });
  }

  #refusedConnection(): LogLogError {
    return new LogLogError('UNAVAILABLE', `connection refused by ${this.address}`);
  }

  #answer<T>(signal: AbortSignal, answer: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as LogLogError), { once: true });
      this.#later(() => {
        if (this.#health === 'stopped') return;
        if (this.#health === 'down') return reject(this.#refusedConnection());
        try {
          resolve(answer());
        } catch (error) {
          reject(error as LogLogError);
        }
      });
    });
  }

  #later(run: () => void): void {
    this.#cluster.nodeClock.after(latencyMs, run);
  }
}
