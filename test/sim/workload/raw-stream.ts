/** One upload stream over the simulated network, frame by frame: what no real client would do. */
import type { ProducerId } from '../../../proto/batch.js';
import { LogLogError } from '../../../proto/errors.js';
import { entryLengthBytes, headerBytes } from '../../../proto/limits.js';
import type { Acknowledgement, UploadFrame, UploadStream } from '../../../proto/service.js';
import { protocolVersion } from '../../../proto/service.js';
import { dataFrame, openFrame } from '../../node/raw-upload.js';
import type { Actor } from './actor.js';
import { fingerprintOf } from './entries.js';
import type { OpenAppend } from './recorder.js';
import { outcomeOf } from './recorder.js';

const answerMsMax = 10_000;

type Answer = Acknowledgement | LogLogError;

export class RawStream {
  readonly #actor: Actor;
  readonly #stream: UploadStream;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #closed: LogLogError | undefined;

  constructor(actor: Actor, address: string, producer: ProducerId) {
    this.#actor = actor;
    const transport = actor.world.cluster.clients.transport(actor.name, actor.clock);
    this.#stream = transport.open(address).service.upload(
      { protocolVersion, producer },
      {
        onReply: (reply) => {
          if (reply.type === 'refused') this.#answer(reply.sequence, reply.error);
          if (reply.type !== 'acknowledged') return;
          for (const one of reply.acknowledgements) this.#answer(one.sequence, one);
        },
        onDrain: () => undefined,
        onClose: (error) => this.#end(error ?? new LogLogError('CLOSED', 'the stream has ended')),
      },
    );
  }

  send(frame: UploadFrame): void {
    if (this.#closed === undefined) this.#stream.send(frame);
  }

  /** Sends a frame with a request to order it; what is never answered is not known. */
  async order(frame: UploadFrame): Promise<Answer> {
    if (this.#closed !== undefined) return this.#closed;
    const unanswered = new LogLogError('DEADLINE', 'no answer', { outcome: 'unknown' });
    const late = this.#actor.world.cluster.sleep(answerMsMax).then(() => unanswered);
    const answer = new Promise<Answer>((done) => this.#waiting.set(frame.sequence, done));
    this.#stream.send(frame);
    const first = await Promise.race([answer, late]);
    this.#waiting.delete(frame.sequence);
    return first;
  }

  /** The epoch that it opened, if somebody who leads has answered. */
  async open(token: number): Promise<number | undefined> {
    const answer = await this.order(openFrame(token));
    return answer instanceof LogLogError ? undefined : answer.epoch;
  }

  close(): void {
    this.#stream.close();
  }

  #answer(sequence: number, answer: Answer): void {
    this.#waiting.get(sequence)?.(answer);
  }

  #end(error: LogLogError): void {
    this.#closed = error;
    const unknown = new LogLogError(error.code, error.message, { outcome: 'unknown' });
    for (const answer of this.#waiting.values()) answer(unknown);
  }
}

/** Notes the answer to a frame that holds this one entry. */
export function settleRaw(append: OpenAppend, entry: Buffer, answer: Answer): void {
  if (answer instanceof LogLogError) return append.end(outcomeOf(answer));
  const offset = answer.offset + headerBytes;
  if (answer.end !== offset + entryLengthBytes + entry.length) {
    throw new Error(`${fingerprintOf(entry)} was acknowledged from ${offset} to ${answer.end}`);
  }
  append.end({ type: 'acknowledged', offsets: [offset], end: answer.end });
}

/** A request to order `entry`, which says that the nodes in `uploadedTo` (bits) have its body. */
export function orderFrame(
  epoch: number,
  sequence: number,
  entry: Buffer,
  uploadedTo: number,
): UploadFrame {
  return dataFrame(epoch, sequence, entry, { uploadedTo });
}
