/** One producer's stream to one node, opened again whenever it breaks. */
import type { Timer } from '../proto/clock.js';
import type { UploadFrame, UploadHandlers, UploadReply, UploadStream } from '../proto/service.js';
import { protocolVersion } from '../proto/service.js';
import { Backoff, backoffMsMax } from './backoff.js';
import type { Cluster } from './cluster.js';

/** What waits here for a node that does not keep up; beyond it the node's copies are left out. */
export const linkQueueBytesMax = 4 * 2 ** 20;

type Welcome = Extract<UploadReply, { type: 'welcome' }>;
export type LinkReply = Exclude<UploadReply, Welcome>;

export interface LinkHandlers {
  /** The stream is open: nothing that was sent before has an answer any more. */
  onUp(link: UploadLink): void;
  onDown(link: UploadLink): void;
  onReply(link: UploadLink, reply: LinkReply): void;
  /** `isClear` again. */
  onClear(link: UploadLink): void;
}

export class UploadLink {
  readonly nodeId: string;
  readonly #cluster: Cluster;
  readonly #producer: string;
  readonly #handlers: LinkHandlers;
  readonly #backoff: Backoff;
  readonly #queue: UploadFrame[] = [];
  #queuedBytes = 0;
  #stream: UploadStream | undefined;
  #welcome: Welcome | undefined;
  #isUp = false;
  #isWritable = false;
  #upSinceMs = 0;
  #retry: Timer | undefined;
  #isClosed = false;

  constructor(cluster: Cluster, producer: string, nodeId: string, handlers: LinkHandlers) {
    this.nodeId = nodeId;
    this.#cluster = cluster;
    this.#producer = producer;
    this.#handlers = handlers;
    this.#backoff = new Backoff(cluster.environment.random, backoffMsMax);
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  /** What is offered now leaves now. */
  get isClear(): boolean {
    return this.#isUp && this.#isWritable && this.#queue.length === 0;
  }

  /** Opens the stream now, if it is not being opened already. */
  connect(): void {
    if (this.#isClosed || this.#stream !== undefined) return;
    this.#retry?.cancel();
    const service = this.#cluster.service(this.nodeId);
    if (service === undefined) return this.#retryLater();
    let isEnded = false;
    const handlers: UploadHandlers = {
      onReply: (reply) => this.#onReply(reply),
      onDrain: () => this.#onDrain(),
      onClose: () => {
        isEnded = true;
        this.#onClose();
      },
    };
    const identity = this.#cluster.identity();
    const stream = service.upload(
      { protocolVersion, producer: this.#producer, ...identity },
      handlers,
    );
    // A node in this process may have answered before it returned the stream.
    if (isEnded) return;
    this.#stream = stream;
    this.#announce();
  }

  /** Whether the frame would be taken, if it were offered now. */
  takes(frame: UploadFrame): boolean {
    return (
      this.isClear || (this.#isUp && this.#queuedBytes + frame.body.length <= linkQueueBytesMax)
    );
  }

  /** What is taken has left, or will as soon as the node takes more; the rest is left out. */
  offer(frame: UploadFrame): void {
    if (!this.takes(frame)) return;
    if (this.isClear) return this.#send(frame);
    this.#queue.push(frame);
    this.#queuedBytes += frame.body.length;
  }

  close(): void {
    this.#isClosed = true;
    this.#retry?.cancel();
    this.#stream?.close();
    this.#reset();
  }

  #onReply(reply: UploadReply): void {
    if (this.#isClosed) return;
    if (reply.type !== 'welcome') return this.#handlers.onReply(this, reply);
    this.#welcome = reply;
    this.#announce();
  }

  /** Once there are both the stream and its welcome, in whichever order. */
  #announce(): void {
    const welcome = this.#welcome;
    if (this.#stream === undefined || welcome === undefined) return;
    if (!this.#isExpected(welcome)) return this.#stream.close();
    this.#cluster.noteLeader(welcome.leader);
    if (this.#isClosed) return;
    this.#isUp = true;
    this.#isWritable = true;
    this.#upSinceMs = this.#cluster.environment.clock.monotonicMs();
    this.#handlers.onUp(this);
  }

  #isExpected({ nodeId, clusterId, protocolVersion: version }: Welcome): boolean {
    const { clusterId: expected } = this.#cluster;
    return nodeId === this.nodeId && clusterId === expected && version === protocolVersion;
  }

  #onDrain(): void {
    if (!this.#isUp) return;
    this.#isWritable = true;
    while (this.#isWritable) {
      const frame = this.#queue.shift();
      if (frame === undefined) return this.#handlers.onClear(this);
      this.#queuedBytes -= frame.body.length;
      this.#send(frame);
    }
  }

  #send(frame: UploadFrame): void {
    this.#isWritable = this.#stream?.send(frame) ?? false;
  }

  #onClose(): void {
    if (this.#isClosed) return;
    const wasUp = this.#isUp;
    const upMs = this.#cluster.environment.clock.monotonicMs() - this.#upSinceMs;
    // A node that welcomes and hangs up at once is no better than one that is not there.
    if (wasUp && upMs > backoffMsMax) this.#backoff.reset();
    this.#reset();
    this.#cluster.noteUnreachable(this.nodeId);
    this.#retryLater();
    if (wasUp) this.#handlers.onDown(this);
  }

  #retryLater(): void {
    this.#cluster.refresh();
    const { clock } = this.#cluster.environment;
    this.#retry = clock.after(this.#backoff.next(), () => this.connect());
  }

  #reset(): void {
    this.#stream = undefined;
    this.#welcome = undefined;
    this.#isUp = false;
    this.#isWritable = false;
    this.#queue.length = 0;
    this.#queuedBytes = 0;
  }
}
