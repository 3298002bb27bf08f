/** An upload stream driven frame by frame, for what the client would never do. */
import { grpcTransport } from '../../client/index.js';
import type { Connection } from '../../client/transport.js';
import { bodyChecksum } from '../../proto/checksum.js';
import { encodeEntries } from '../../proto/entries.js';
import type { LogLogError } from '../../proto/errors.js';
import type {
  Acknowledgement,
  AppendOrder,
  UploadFrame,
  UploadReply,
} from '../../proto/service.js';
import { protocolVersion } from '../../proto/service.js';
import { until } from './cluster.js';

type Refused = Extract<UploadReply, { type: 'refused' }>;

export class RawUpload {
  readonly acknowledgements: Acknowledgement[] = [];
  readonly refusals: Refused[] = [];
  closed: { error: LogLogError | undefined } | null = null;
  readonly #connection: Connection;
  readonly #stream;

  constructor(address: string, producer: string, version = protocolVersion) {
    this.#connection = grpcTransport.open(address);
    this.#stream = this.#connection.service.upload(
      { protocolVersion: version, producer },
      {
        onReply: (reply) => {
          if (reply.type === 'acknowledged') this.acknowledgements.push(...reply.acknowledgements);
          if (reply.type === 'refused') this.refusals.push(reply);
        },
        onDrain: () => undefined,
        onClose: (error) => (this.closed = { error }),
      },
    );
  }

  send(frame: UploadFrame): void {
    this.#stream.send(frame);
  }

  /** Opens an epoch and returns it. */
  async open(token: number): Promise<number> {
    this.send(openFrame(token));
    const acknowledgement = await this.acknowledged(token);
    return acknowledgement.epoch;
  }

  async acknowledged(sequence: number): Promise<Acknowledgement> {
    const find = () => this.acknowledgements.find((one) => one.sequence === sequence);
    await until(`sequence ${sequence} to be acknowledged`, () => find() !== undefined);
    return find() as Acknowledgement;
  }

  async refused(sequence: number): Promise<LogLogError> {
    const find = () => this.refusals.find((one) => one.sequence === sequence);
    await until(`sequence ${sequence} to be refused`, () => find() !== undefined);
    return (find() as Refused).error;
  }

  async ended(): Promise<LogLogError | undefined> {
    await until('the stream to end', () => this.closed !== null);
    return this.closed?.error;
  }

  close(): void {
    this.#stream.close();
    this.#connection.close();
  }
}

export function openFrame(token: number): UploadFrame {
  return {
    kind: 'open',
    epoch: 0,
    sequence: token,
    entryCount: 0,
    bodyChecksum: 0,
    append: { follows: 0, uploadedTo: 0 },
    body: Buffer.alloc(0),
  };
}

/** A frame of one entry; `order` makes it the leader's copy. */
export function dataFrame(
  epoch: number,
  sequence: number,
  entry: string | Buffer,
  order?: Partial<AppendOrder>,
): UploadFrame {
  const body = encodeEntries([Buffer.from(entry)]);
  return {
    kind: 'data',
    epoch,
    sequence,
    entryCount: 1,
    bodyChecksum: bodyChecksum(body),
    body,
    ...(order !== undefined && { append: { follows: sequence - 1, uploadedTo: 0, ...order } }),
  };
}
