/** One committed log with the leader's rules: what the nodes of a FakeCluster agree on. */
import type { Batch } from '../../proto/batch.js';
import { batchEnd, buildBatch, genesisChain, noProducer } from '../../proto/batch.js';
import { LogLogError } from '../../proto/errors.js';
import type { Acknowledgement, UploadFrame } from '../../proto/service.js';

interface KnownProducer {
  readonly openToken: number;
  readonly epoch: number;
  lastSequence: number;
  readonly batches: Map<number, { readonly position: Acknowledgement; readonly checksum: number }>;
}

export class FakeLog {
  readonly batches: Batch[] = [];
  readonly producers = new Map<string, KnownProducer>();
  end = 0;
  dataEnd = 0;
  token = Buffer.alloc(0);
  #chain: string;
  #timeMs = 1_700_000_000_000;

  constructor(clusterId: string) {
    this.#chain = genesisChain(clusterId);
  }

  /** Commits the frame and returns where, or throws why not. */
  order(producer: string, frame: UploadFrame, term: number): Acknowledgement {
    const known = this.producers.get(producer);
    if (frame.kind === 'open') return this.#open(producer, known, frame, term);
    if (known === undefined) throw new LogLogError('PRODUCER_EXPIRED', 'not known');
    if (frame.epoch !== known.epoch) throw new LogLogError('EPOCH_FENCED', 'an older epoch');
    const original = known.batches.get(frame.sequence);
    if (original !== undefined) {
      if (original.checksum === frame.bodyChecksum) return original.position;
      throw new LogLogError('SEQUENCE_REUSED', 'other bytes');
    }
    const isNext = frame.append?.follows === known.lastSequence;
    if (!isNext || frame.sequence <= known.lastSequence) {
      throw new LogLogError('SEQUENCE_GAP', `the last sequence is ${known.lastSequence}`);
    }
    this.#checkConditions(frame);
    const position = this.#commit(producer, frame, frame.epoch, term);
    known.lastSequence = frame.sequence;
    known.batches.set(frame.sequence, { position, checksum: frame.bodyChecksum });
    if (frame.kind === 'fence') this.token = Buffer.from(frame.body.subarray(4));
    else this.dataEnd = position.end;
    return position;
  }

  /** A new leader's first batch: an offset that no client asked for. */
  addNoop(term: number): void {
    const frame = { sequence: 0, entryCount: 0, bodyChecksum: 0, body: Buffer.alloc(0) };
    this.#commit(noProducer, { ...frame, kind: 'noop' }, 0, term);
  }

  #open(
    producer: string,
    known: KnownProducer | undefined,
    frame: UploadFrame,
    term: number,
  ): Acknowledgement {
    if (known?.openToken === frame.sequence) {
      return { epoch: 0, sequence: frame.sequence, offset: known.epoch, end: known.epoch + 96 };
    }
    const position = this.#commit(producer, frame, 0, term);
    const fresh = { openToken: frame.sequence, epoch: position.offset, lastSequence: 0 };
    this.producers.set(producer, { ...fresh, batches: new Map() });
    return position;
  }

  #checkConditions({ append }: UploadFrame): void {
    const { expect, token } = append ?? {};
    if (expect !== undefined && expect !== this.dataEnd) {
      const isAhead = expect > this.dataEnd;
      throw new LogLogError(isAhead ? 'CONDITION_AHEAD' : 'CONDITION_FAILED', 'another end', {
        end: this.dataEnd,
        outcome: isAhead ? 'unknown' : 'none',
      });
    }
    if (token !== undefined && !token.equals(this.token)) {
      throw new LogLogError('TOKEN_MISMATCH', 'another token');
    }
  }

  #commit(
    producer: string,
    frame: Pick<UploadFrame, 'sequence' | 'entryCount' | 'bodyChecksum' | 'body'> & {
      kind: Batch['header']['kind'];
    },
    epoch: number,
    term: number,
  ): Acknowledgement {
    const { kind, sequence, entryCount, bodyChecksum } = frame;
    const position = { offset: this.end, term, timeMs: this.#timeMs++ };
    const identity = { kind, producer, epoch, sequence, entryCount, bodyChecksum };
    const batch = buildBatch({ ...position, ...identity }, Buffer.from(frame.body), this.#chain);
    this.#chain = batch.header.chain;
    this.batches.push(batch);
    this.end = batchEnd(batch.header);
    return { epoch, sequence, offset: batch.header.offset, end: this.end };
  }
}
