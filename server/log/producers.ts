/**
 * Who has appended what of late: a function of the log's batches that makes retries exact. It is
 * the same on every node at the same offset, also in whom it has forgotten.
 */
import type { BatchHeader, BatchKind, ProducerId } from '../../proto/batch.js';
import { batchEnd, batchKinds, noProducer } from '../../proto/batch.js';
import { assert, LogLogError } from '../../proto/errors.js';
import { headerBytes, producerBatchesMax, producersMax } from '../../proto/limits.js';
import { asCount, asList, asText, misshapen } from './shape.js';

/** What a client asks to have ordered. */
export interface ProducerFrame {
  readonly kind: 'data' | 'open' | 'fence';
  readonly epoch: number;
  /** From 1 to 2^53 - 1; of an `open` batch, the name of the try. */
  readonly sequence: number;
  /** The producer's last ordered sequence before this one; 0 before the first. */
  readonly follows: number;
  readonly bodyChecksum: number;
  readonly bodyBytes: number;
  readonly entryCount: number;
}

export type Verdict =
  | { readonly type: 'order' }
  /** A retry: where the original lies. */
  | { readonly type: 'duplicate'; readonly offset: number; readonly end: number }
  | { readonly type: 'refuse'; readonly error: LogLogError };

/** A batch that was ordered. */
interface Ordered {
  readonly kind: BatchKind;
  readonly sequence: number;
  readonly offset: number;
  readonly end: number;
  readonly bodyChecksum: number;
  readonly entryCount: number;
}

/** Never changed, so that copies of the table share it. */
interface Producer {
  /** The batch that opened it: its offset is the epoch, its sequence the name of the try. */
  readonly open: Ordered;
  /** The newest of its batches since then, at most producerBatchesMax, ascending. */
  readonly recent: readonly Ordered[];
}

export class Producers {
  /** In the order of each one's newest batch: the first is the next to be forgotten. */
  readonly #producers: Map<ProducerId, Producer>;

  constructor(producers: Iterable<readonly [ProducerId, Producer]> = []) {
    this.#producers = new Map(producers);
  }

  get count(): number {
    return this.#producers.size;
  }

  /** The next batch of the log. */
  apply(header: BatchHeader): void {
    if (header.producer === noProducer || header.kind === 'noop') return;
    const before = this.#producers.get(header.producer);
    // Taken out and put in again, it is the last in the map's order.
    this.#producers.delete(header.producer);
    this.#producers.set(header.producer, successor(before, header));
    if (this.#producers.size > producersMax) {
      const [oldest] = this.#producers.keys();
      if (oldest !== undefined) this.#producers.delete(oldest);
    }
  }

  /** What becomes of a frame if it is the next to be ordered behind what was applied. */
  decide(id: ProducerId, frame: ProducerFrame): Verdict {
    if (id === noProducer) return refuse('INVALID_ARGUMENT', 'no producer has the id of all zeros');
    if (!Number.isSafeInteger(frame.sequence) || frame.sequence < 1) {
      return refuse('INVALID_ARGUMENT', `${frame.sequence} is no sequence from 1 to 2^53 - 1`);
    }
    const producer = this.#producers.get(id);
    if (frame.kind === 'open') {
      return producer?.open.sequence === frame.sequence ? duplicate(producer.open) : order;
    }
    // An earlier try may have been ordered before the producer was forgotten or fenced off.
    const outcome = 'unknown';
    if (producer === undefined) {
      return refuse('PRODUCER_EXPIRED', `the log does not know producer ${id}`, outcome);
    }
    const epoch = producer.open.offset;
    if (frame.epoch > epoch) {
      const reason = `the log knows no epoch ${frame.epoch} of producer ${id}, but ${epoch}`;
      return refuse('PRODUCER_EXPIRED', reason, outcome);
    }
    if (frame.epoch < epoch) {
      const reason = `producer ${id} was opened again: epoch ${frame.epoch} ended, now is ${epoch}`;
      return refuse('EPOCH_FENCED', reason, outcome);
    }
    return decideSequence(producer.recent, frame);
  }

  /** Whether a batch is in the log, or one that makes its order impossible. */
  isPast(id: ProducerId, epoch: number, sequence: number): boolean {
    const producer = this.#producers.get(id);
    if (producer === undefined || epoch > producer.open.offset) return false;
    return epoch < producer.open.offset || sequence <= lastSequence(producer.recent);
  }

  clone(): Producers {
    return new Producers(this.#producers);
  }

  toJson(): unknown {
    return [...this.#producers].map(([id, { open, recent }]) => [
      id,
      orderedToJson(open),
      recent.map(orderedToJson),
    ]);
  }

  /** Throws DATA_CORRUPT for what toJson did not write. */
  static fromJson(value: unknown): Producers {
    const producers = new Producers();
    for (const item of asList(value, 'the producer table')) {
      const [id, open, recent] = asList(item, 'a producer');
      producers.#producers.set(asText(id, "a producer's id"), {
        open: orderedFromJson(open),
        recent: asList(recent, "a producer's batches").map(orderedFromJson),
      });
    }
    return producers;
  }
}

const order: Verdict = { type: 'order' };

function successor(before: Producer | undefined, header: BatchHeader): Producer {
  const { kind, sequence, offset, bodyChecksum, entryCount } = header;
  const batch = { kind, sequence, offset, end: batchEnd(header), bodyChecksum, entryCount };
  if (kind === 'open') return { open: batch, recent: [] };
  assert(before?.open.offset === header.epoch, 'a batch belongs to an open epoch');
  assert(sequence > lastSequence(before.recent), "a producer's sequences rise");
  return { open: before.open, recent: [...before.recent.slice(1 - producerBatchesMax), batch] };
}

function decideSequence(recent: readonly Ordered[], frame: ProducerFrame): Verdict {
  const { sequence, follows } = frame;
  const last = lastSequence(recent);
  if (sequence > last) {
    if (follows === last) return order;
    const reason = `batch ${sequence} follows ${follows}, but the last one in the log is ${last}`;
    return refuse('SEQUENCE_GAP', reason);
  }
  const original = recent.find((batch) => batch.sequence === sequence);
  if (original !== undefined) {
    if (isRetry(original, frame)) return duplicate(original);
    return refuse('SEQUENCE_REUSED', `sequence ${sequence} was used for a batch with other bytes`);
  }
  const [oldest] = recent;
  if (recent.length === producerBatchesMax && oldest !== undefined && sequence < oldest.sequence) {
    const reason =
      `sequence ${sequence} is older than the ${producerBatchesMax} batches that the log ` +
      'remembers of a producer: whether it was ordered is not known';
    return refuse('SEQUENCE_REUSED', reason, 'unknown');
  }
  return refuse('SEQUENCE_REUSED', `sequence ${sequence} was passed over: the last one is ${last}`);
}

function lastSequence(recent: readonly Ordered[]): number {
  return recent.at(-1)?.sequence ?? 0;
}

function isRetry(original: Ordered, frame: ProducerFrame): boolean {
  return (
    original.kind === frame.kind &&
    original.bodyChecksum === frame.bodyChecksum &&
    original.entryCount === frame.entryCount &&
    original.end - original.offset - headerBytes === frame.bodyBytes
  );
}

function duplicate({ offset, end }: Ordered): Verdict {
  return { type: 'duplicate', offset, end };
}

function refuse(
  code:
    'INVALID_ARGUMENT' | 'PRODUCER_EXPIRED' | 'EPOCH_FENCED' | 'SEQUENCE_GAP' | 'SEQUENCE_REUSED',
  reason: string,
  outcome: 'none' | 'unknown' = 'none',
): Verdict {
  return { type: 'refuse', error: new LogLogError(code, reason, { outcome }) };
}

function orderedToJson(batch: Ordered): unknown {
  const { kind, sequence, offset, end, bodyChecksum, entryCount } = batch;
  return [kind, sequence, offset, end, bodyChecksum, entryCount];
}

function orderedFromJson(value: unknown): Ordered {
  const what = "a producer's batch";
  const [kind, sequence, offset, end, bodyChecksum, entryCount] = asList(value, what);
  if (!isKind(kind)) throw misshapen(`${what}: kind`, 'a kind');
  return {
    kind,
    sequence: asCount(sequence, `${what}: sequence`),
    offset: asCount(offset, `${what}: offset`),
    end: asCount(end, `${what}: end`),
    bodyChecksum: asCount(bodyChecksum, `${what}: checksum`),
    entryCount: asCount(entryCount, `${what}: entry count`),
  };
}

function isKind(value: unknown): value is BatchKind {
  return typeof value === 'string' && Object.hasOwn(batchKinds, value);
}
