/**
 * Bulk through the bare pipe: entries are handed in by a call each that is awaited, as everywhere,
 * and copied into frames as full as those of a `Writer`. What a writer does for each of them besides
 * would be the limit otherwise, and the pipe no ceiling.
 */
import { randomBytes } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { Patience } from '../../../cli/bench/patience.js';
import type { Deferred } from '../../../client/deferred.js';
import { deferred } from '../../../client/deferred.js';
import { batchesInFlightMax } from '../../../client/producer.js';
import { batchBytesDefault } from '../../../client/writer.js';
import { bodyChecksum } from '../../../proto/checksum.js';
import type { LogLogError } from '../../../proto/errors.js';
import { assert } from '../../../proto/errors.js';
import { entryLengthBytes } from '../../../proto/limits.js';
import type {
  LogLogService,
  UploadFrame,
  UploadReply,
  UploadStream,
} from '../../../proto/service.js';
import { protocolVersion } from '../../../proto/service.js';

/** The other two nodes, by their bits. */
const uploadedTo = 0b110;

const nothing = Buffer.alloc(0);

/** One producer's streams to all nodes, of which the first one leads. */
export class FramePipe {
  readonly #onAcknowledged: (entries: number) => void;
  readonly #patience = new Patience(() => this.#fail(this.#patience.error()));
  readonly #links: readonly FrameLink[];
  /** Entries of each frame in flight; none of the opening. */
  readonly #inFlight: number[] = [];
  #epoch: number | undefined;
  #sequence = 0;
  #body = Buffer.allocUnsafe(batchBytesDefault);
  #bytes = 0;
  #entries = 0;
  #failure: Error | undefined;
  /** Of those who wait for an acknowledgement. */
  #answered: Deferred<void> | undefined;

  /** `onAcknowledged`: two nodes have so many entries more. */
  constructor(services: readonly LogLogService[], onAcknowledged: (entries: number) => void) {
    this.#onAcknowledged = onAcknowledged;
    const producer = randomBytes(8).toString('hex');
    this.#links = services.map(
      (service) =>
        new FrameLink(service, producer, {
          onReply: (reply) => this.#onReply(reply),
          onClose: (error) => this.#fail(error ?? new Error('a stream was closed')),
        }),
    );
    this.#inFlight.push(0);
    this.#order(frameOf('open', 0, 1, 0, nothing), 0, 0);
  }

  /** Resolves when the entry has been copied; waits while there are enough frames in flight. */
  write(entry: Buffer): Promise<void> {
    const end = this.#bytes + entryLengthBytes + entry.length;
    if (end > batchBytesDefault) return this.#sendAndWrite(entry);
    this.#body.writeUInt32LE(entry.length, this.#bytes);
    this.#body.set(entry, this.#bytes + entryLengthBytes);
    this.#bytes = end;
    this.#entries += 1;
    return Promise.resolve();
  }

  /** Resolves when everything is acknowledged. */
  async flush(): Promise<void> {
    if (this.#entries > 0) await this.#send();
    while (this.#inFlight.length > 0) await this.#answer();
  }

  close(): void {
    this.#patience.end();
    for (const link of this.#links) link.close();
  }

  async #sendAndWrite(entry: Buffer): Promise<void> {
    await this.#send();
    await this.write(entry);
  }

  async #send(): Promise<void> {
    while (this.#epoch === undefined || this.#inFlight.length >= batchesInFlightMax) {
      await this.#answer();
    }
    const follows = this.#sequence;
    this.#sequence += 1;
    const body = this.#body.subarray(0, this.#bytes);
    const frame = frameOf('data', this.#epoch, this.#sequence, this.#entries, body);
    this.#inFlight.push(this.#entries);
    this.#body = Buffer.allocUnsafe(batchBytesDefault);
    this.#bytes = 0;
    this.#entries = 0;
    for (const link of this.#links.slice(1)) link.send(frame);
    this.#order(frame, follows, uploadedTo);
    // Whatever has come is heard before the next one is packed.
    await turn();
  }

  #order(frame: UploadFrame, follows: number, uploaded: number): void {
    const [leader] = this.#links;
    assert(leader !== undefined, 'one of the nodes leads');
    leader.send({ ...frame, append: { follows, uploadedTo: uploaded } });
  }

  /** The next one. */
  async #answer(): Promise<void> {
    this.#answered ??= deferred();
    if (this.#failure !== undefined) this.#answered.reject(this.#failure);
    await this.#answered.promise;
  }

  #onReply(reply: UploadReply): void {
    if (reply.type === 'refused') return this.#fail(reply.error);
    if (reply.type !== 'acknowledged') return;
    this.#patience.renew();
    for (const { offset } of reply.acknowledgements) {
      this.#epoch ??= offset;
      this.#onAcknowledged(this.#inFlight.shift() ?? 0);
    }
    this.#answered?.resolve();
    this.#answered = undefined;
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#answered?.reject(this.#failure);
  }
}

function frameOf(
  kind: UploadFrame['kind'],
  epoch: number,
  sequence: number,
  entryCount: number,
  body: Buffer,
): UploadFrame {
  return { kind, epoch, sequence, entryCount, bodyChecksum: bodyChecksum(body), body };
}

interface LinkHandlers {
  onReply(reply: UploadReply): void;
  onClose(error?: LogLogError): void;
}

/** A stream to one node. What that does not take yet waits; node 1 bounds how much (lagBytesMax). */
class FrameLink {
  readonly #stream: UploadStream;
  readonly #queue: UploadFrame[] = [];
  #isWritable = true;

  constructor(service: LogLogService, producer: string, handlers: LinkHandlers) {
    this.#stream = service.upload(
      { protocolVersion, producer },
      { ...handlers, onDrain: () => this.#onDrain() },
    );
  }

  send(frame: UploadFrame): void {
    if (this.#isWritable) this.#isWritable = this.#stream.send(frame);
    else this.#queue.push(frame);
  }

  close(): void {
    this.#stream.close();
  }

  #onDrain(): void {
    this.#isWritable = true;
    while (this.#isWritable) {
      const frame = this.#queue.shift();
      if (frame === undefined) return;
      this.#isWritable = this.#stream.send(frame);
    }
  }
}
