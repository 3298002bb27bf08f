/**
 * One client's upload stream: bodies that are to be ordered here go to the orderer, all others to
 * the staging pool. It takes one frame more than there is room for and then asks the client to
 * wait, so that nothing is lost silently and nothing is unbounded.
 */
import type { ProducerId } from '../proto/batch.js';
import { bodyChecksum } from '../proto/checksum.js';
import { checkEntries } from '../proto/entries.js';
import { LogLogError } from '../proto/errors.js';
import { bodyBytesMax, entryLengthBytes, tokenBytesMax } from '../proto/limits.js';
import type {
  Acknowledgement,
  AppendOrder,
  LeaderChange,
  UploadFrame,
  UploadHandlers,
  UploadHello,
  UploadStream,
} from '../proto/service.js';
import type { Append, AppendResult, Orderer } from './orderer.js';
import type { PoolClient, StagedUpload, StagingPool } from './uploads/pool.js';

export interface SessionParts {
  readonly orderer: Pick<Orderer, 'submit' | 'hasRoom' | 'onRoom' | 'forget'>;
  readonly pool: Pick<StagingPool, 'client'>;
  /** The producer's body was staged: a reference may wait for it. */
  readonly onStaged: (producer: ProducerId) => void;
  /** Whether a batch has been ordered, as far as this node's log goes. */
  isPast(producer: ProducerId, epoch: number, sequence: number): boolean;
  onClose(session: Session): void;
}

export class Session implements UploadStream {
  readonly #hello: UploadHello;
  readonly #handlers: UploadHandlers;
  readonly #parts: SessionParts;
  readonly #client: PoolClient;
  /** The upload that found no room. */
  #held: StagedUpload | null = null;
  #acknowledgements: Acknowledgement[] = [];
  #state: 'open' | 'closed' = 'open';
  readonly #drain = () => this.#handlers.onDrain();

  constructor(hello: UploadHello, handlers: UploadHandlers, parts: SessionParts) {
    this.#hello = hello;
    this.#handlers = handlers;
    this.#parts = parts;
    this.#client = parts.pool.client(() => this.#retryHeld());
  }

  send(frame: UploadFrame): boolean {
    if (this.#state === 'closed') return true;
    const problem = problemOf(frame);
    if (problem !== undefined) {
      // Without the sender's numbers being right, nothing that follows can be.
      if (frame.append === undefined) this.end(problem);
      else this.#refuse(frame, problem);
      return true;
    }
    if (frame.append !== undefined) return this.#order(frame, frame.append);
    const { producer } = this.#hello;
    // An opening has no body; and of a batch that the log holds none is wanted any more.
    if (frame.kind === 'open') return true;
    if (this.#parts.isPast(producer, frame.epoch, frame.sequence)) return true;
    return this.#stage({ ...frame, kind: frame.kind, producer });
  }

  /** By the client. */
  close(): void {
    this.end();
  }

  /** By this node, with the reason, or by the client. */
  end(error?: LogLogError): void {
    if (this.#state === 'closed') return;
    this.#flush();
    this.#state = 'closed';
    this.#held = null;
    this.#client.close();
    this.#parts.orderer.forget(this.#drain);
    this.#parts.onClose(this);
    this.#handlers.onClose(error);
  }

  leader(change: LeaderChange): void {
    this.#handlers.onReply({ type: 'leader', change });
  }

  /** Asks for a body again, if this is its producer's stream. */
  ask(producer: ProducerId, sequence: number): void {
    if (producer !== this.#hello.producer) return;
    this.#handlers.onReply({ type: 'missing', sequences: [sequence] });
  }

  #order(frame: UploadFrame, order: AppendOrder): boolean {
    const append: Append = {
      kind: frame.kind,
      producer: this.#hello.producer,
      epoch: frame.epoch,
      sequence: frame.sequence,
      entryCount: frame.entryCount,
      bodyChecksum: frame.bodyChecksum,
      body: frame.body,
      ...order,
      done: (result) => this.#done(frame, result),
    };
    this.#parts.orderer.submit(append);
    if (this.#parts.orderer.hasRoom) return true;
    this.#parts.orderer.onRoom(this.#drain);
    return false;
  }

  #done(frame: UploadFrame, result: AppendResult): void {
    if (this.#state === 'closed') return;
    if (result.type === 'refused') {
      this.#refuse(frame, result.error);
      return;
    }
    const { offset, end } = result;
    const epoch = frame.kind === 'open' ? offset : frame.epoch;
    // Whatever else this commit acknowledges goes into the same reply.
    if (this.#acknowledgements.length === 0) queueMicrotask(() => this.#flush());
    this.#acknowledgements.push({ epoch, sequence: frame.sequence, offset, end });
  }

  #flush(): void {
    if (this.#acknowledgements.length === 0 || this.#state === 'closed') return;
    const acknowledgements = this.#acknowledgements;
    this.#acknowledgements = [];
    this.#handlers.onReply({ type: 'acknowledged', acknowledgements });
  }

  #refuse({ epoch, sequence }: UploadFrame, error: LogLogError): void {
    this.#flush();
    this.#handlers.onReply({ type: 'refused', epoch, sequence, error });
  }

  #stage(upload: StagedUpload): boolean {
    if (this.#held !== null) {
      this.end(
        new LogLogError(
          'RESOURCE_EXHAUSTED',
          'the staging quota is used up: wait before sending on',
        ),
      );
      return true;
    }
    if (this.#client.stage(upload) === 'full') {
      this.#held = upload;
      return false;
    }
    this.#parts.onStaged(upload.producer);
    return true;
  }

  #retryHeld(): void {
    const held = this.#held;
    if (held === null) return;
    this.#held = null;
    if (this.#stage(held)) this.#handlers.onDrain();
  }
}

/** What is wrong with a frame, whatever the state of the log. */
function problemOf(frame: UploadFrame): LogLogError | undefined {
  const { body, kind, append } = frame;
  if (body.length > bodyBytesMax) {
    return new LogLogError('BATCH_TOO_LARGE', `a batch body of ${body.length} bytes`, {
      limit: bodyBytesMax,
    });
  }
  if (!Number.isSafeInteger(frame.sequence) || frame.sequence < 1) {
    return new LogLogError('INVALID_ARGUMENT', 'sequences begin with 1');
  }
  if (append === undefined) return undefined; // its digest will be checked
  if (bodyChecksum(body) !== frame.bodyChecksum) {
    return new LogLogError('BAD_CHECKSUM', 'the body does not have the checksum it came with');
  }
  const checked = checkEntries(body);
  if (!checked.ok) return new LogLogError('BAD_FRAMING', `the body's framing: ${checked.reason}`);
  if (checked.count !== frame.entryCount) {
    return new LogLogError(
      'BAD_FRAMING',
      `the body holds ${checked.count} entries, not ${frame.entryCount}`,
    );
  }
  if (kind === 'open' ? checked.count !== 0 : checked.count === 0) {
    return new LogLogError('EMPTY_APPEND', `a batch of kind ${kind} with ${checked.count} entries`);
  }
  if (kind === 'fence' && (checked.count !== 1 || body.length - entryLengthBytes > tokenBytesMax)) {
    return new LogLogError('INVALID_ARGUMENT', 'a fencing token is one short entry', {
      limit: tokenBytesMax,
    });
  }
  return undefined;
}
