/**
 * Bulk through the bare pipe: frames as full as those of a `Writer`, into which entries are copied,
 * and that is all. What a writer does for each entry besides would be the limit otherwise, and the
 * pipe no ceiling.
 */
import { randomBytes } from 'node:crypto';
import { Patience } from '../../../cli/bench/patience.js';
import { Payload } from '../../../cli/bench/payload.js';
import type { Deferred } from '../../../client/deferred.js';
import { deferred } from '../../../client/deferred.js';
import { batchesInFlightMax } from '../../../client/producer.js';
import { batchBytesDefault } from '../../../client/writer.js';
import { bodyChecksum } from '../../../proto/checksum.js';
import { encodeEntries } from '../../../proto/entries.js';
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

export interface Sending {
  readonly entryBytes: number;
  /** Whether there is to be another frame, after so many entries. */
  isWanted(entries: number): boolean;
  /** By two nodes, so many more. */
  onAcknowledged(entries: number): void;
}

/** As many frames as go through; resolves when all are acknowledged. The first node leads. */
export async function sendFrames(
  services: readonly LogLogService[],
  sending: Sending,
): Promise<void> {
  const ended = deferred<void>();
  const patience = new Patience(() => ended.reject(patience.error()));
  const pipe = new FramePipe(services, ended, {
    ...sending,
    onAcknowledged: (entries) => {
      patience.renew();
      sending.onAcknowledged(entries);
    },
  });
  try {
    await ended.promise;
  } finally {
    patience.end();
    pipe.close();
  }
}

/** Those of a full frame. */
function entriesOf(entryBytes: number): Buffer[] {
  const count = Math.floor(batchBytesDefault / (entryLengthBytes + entryBytes));
  const entry = new Payload(entryBytes).entry();
  return Array.from({ length: count }, () => entry);
}

/** One producer's streams to all nodes. */
class FramePipe {
  readonly #entries: readonly Buffer[];
  readonly #sending: Sending;
  readonly #ended: Deferred<void>;
  readonly #links: readonly FrameLink[];
  /** None until the producer has opened. */
  #epoch: number | undefined;
  #sent = 0;
  #acknowledged = 0;

  constructor(services: readonly LogLogService[], ended: Deferred<void>, sending: Sending) {
    this.#entries = entriesOf(sending.entryBytes);
    this.#sending = sending;
    this.#ended = ended;
    const producer = randomBytes(8).toString('hex');
    this.#links = services.map(
      (service) =>
        new FrameLink(service, producer, {
          onReply: (reply) => this.#onReply(reply),
          onClose: (error) => ended.reject(error ?? new Error('a stream was closed')),
        }),
    );
    this.#order(frameOf('open', 0, 1, []), 0, 0);
  }

  close(): void {
    for (const link of this.#links) link.close();
  }

  #onReply(reply: UploadReply): void {
    if (reply.type === 'refused') this.#ended.reject(reply.error);
    if (reply.type !== 'acknowledged') return;
    const { length } = reply.acknowledgements;
    if (this.#epoch === undefined) {
      this.#epoch = reply.acknowledgements[0]?.offset;
    } else {
      this.#acknowledged += length;
      this.#sending.onAcknowledged(length * this.#entries.length);
    }
    this.#pump(this.#epoch ?? 0);
  }

  #pump(epoch: number): void {
    while (this.#sending.isWanted(this.#sent * this.#entries.length)) {
      if (this.#sent - this.#acknowledged >= batchesInFlightMax) return;
      const follows = this.#sent;
      this.#sent += 1;
      const frame = frameOf('data', epoch, this.#sent, this.#entries);
      for (const link of this.#links.slice(1)) link.send(frame);
      this.#order(frame, follows, uploadedTo);
    }
    if (this.#acknowledged === this.#sent) this.#ended.resolve();
  }

  #order(frame: UploadFrame, follows: number, uploaded: number): void {
    const [leader] = this.#links;
    assert(leader !== undefined, 'one of the nodes leads');
    leader.send({ ...frame, append: { follows, uploadedTo: uploaded } });
  }
}

function frameOf(
  kind: UploadFrame['kind'],
  epoch: number,
  sequence: number,
  entries: readonly Buffer[],
): UploadFrame {
  const body = encodeEntries(entries);
  const checksum = bodyChecksum(body);
  return { kind, epoch, sequence, entryCount: entries.length, bodyChecksum: checksum, body };
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
