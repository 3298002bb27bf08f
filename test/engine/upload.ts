/** One upload stream to one node, driven frame by frame, for what the client would never do. */
import type { LogLogError } from '../../proto/errors.js';
import type { Acknowledgement, UploadFrame, UploadStream } from '../../proto/service.js';
import { protocolVersion } from '../../proto/service.js';
import { openFrame } from '../node/raw-upload.js';
import type { EngineCluster, TestNode } from './cluster.js';

export const producer = 'a1b2c3d4e5f60718';

/** More than any node may take without a pause. */
const framesMax = 1000;

export class Upload {
  readonly acknowledgements = new Map<number, Acknowledgement>();
  readonly refusals = new Map<number, LogLogError>();
  /** Sequences whose bodies the node has asked for. */
  readonly missing = new Set<number>();
  closed: { error: LogLogError | undefined } | null = null;
  drains = 0;
  readonly #cluster: EngineCluster;
  readonly #stream: UploadStream;

  constructor(cluster: EngineCluster, node: TestNode) {
    this.#cluster = cluster;
    this.#stream = node.service.upload(
      { protocolVersion, producer },
      {
        onReply: (reply) => {
          if (reply.type === 'refused') this.refusals.set(reply.sequence, reply.error);
          if (reply.type === 'missing') reply.sequences.forEach((one) => this.missing.add(one));
          if (reply.type !== 'acknowledged') return;
          for (const one of reply.acknowledgements) this.acknowledgements.set(one.sequence, one);
        },
        onDrain: () => (this.drains += 1),
        onClose: (error) => (this.closed = { error }),
      },
    );
  }

  /** False asks to wait for `drains` to rise. */
  send(frame: UploadFrame): boolean {
    return this.#stream.send(frame);
  }

  /** Sends frames in sequence until it is asked to wait; returns how many it has sent. */
  sendUntilFull(frameOf: (sequence: number) => UploadFrame): number {
    for (let sequence = 1; sequence <= framesMax; sequence += 1) {
      if (!this.send(frameOf(sequence))) return sequence;
    }
    throw new Error(`${framesMax} frames, and it does not ask to wait`);
  }

  /** Opens an epoch and returns it. */
  async open(): Promise<number> {
    const token = 77;
    this.send(openFrame(token));
    const { epoch } = await this.acknowledged(token);
    this.acknowledgements.delete(token);
    return epoch;
  }

  async acknowledged(sequence: number): Promise<Acknowledgement> {
    const what = `sequence ${sequence} to be acknowledged`;
    await this.#cluster.until(what, () => this.acknowledgements.has(sequence));
    return this.acknowledgements.get(sequence) as Acknowledgement;
  }

  async refused(sequence: number): Promise<LogLogError> {
    const what = `sequence ${sequence} to be refused`;
    await this.#cluster.until(what, () => this.refusals.has(sequence));
    return this.refusals.get(sequence) as LogLogError;
  }

  close(): void {
    this.#stream.close();
  }
}
