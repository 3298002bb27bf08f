/**
 * The log of a bare node: the production log, of batches that follow one another and say nothing of
 * elections. The copies are the same to the last bit, so the leader's clock is left at 0.
 */
import type { Batch, BatchHeader, Chain } from '../../../proto/batch.js';
import { batchEnd, buildBatch, genesisChain } from '../../../proto/batch.js';
import { assert } from '../../../proto/errors.js';
import { systemClock } from '../../../proto/system.js';
import { Log } from '../../../server/log/log.js';
import { systemDiskWith } from '../../../server/log/system-disk.js';
import { WritePace } from '../../../server/log/write-pace.js';
import { defaults } from '../../../server/options.js';
import { fillAheadBytes, indexCacheMax } from '../../../server/store.js';

/** The only one there is. */
export const bareTerm = 1;

export const { segmentBytesMax } = defaults;
const timeMs = 0;

/** What a batch is before it has its place in the log. */
export type Framed = Pick<
  BatchHeader,
  'kind' | 'producer' | 'epoch' | 'sequence' | 'entryCount' | 'bodyChecksum'
>;

export class BareLog {
  readonly log: Log;
  #chain: Chain;
  #endOffset = 0;
  /** Not yet given to the log: as in LogLog, what came in one turn shares a write. */
  #gathered: Batch[] = [];

  /** In an empty directory. `onDurable`: what `log.durableOffset` says is another. */
  static async open(
    directory: string,
    clusterId: string,
    onDurable: () => void,
    onFailed: (error: unknown) => void,
  ): Promise<BareLog> {
    const { recentBytesMax } = defaults;
    const chain = genesisChain(clusterId);
    const log = await Log.open(
      systemDiskWith({ pace: new WritePace() }),
      systemClock,
      directory,
      { clusterId, segmentBytesMax, fillAheadBytes, recentBytesMax, indexCacheMax },
      { offset: 0, chain, term: 0, timeMs },
      () => assert(false, 'a bare node begins with nothing'),
      { onDurable, onFailed, onStalled: (reason) => reason !== null && onFailed(reason) },
    );
    return new BareLog(log, chain);
  }

  private constructor(log: Log, chain: Chain) {
    this.log = log;
    this.#chain = chain;
  }

  /** Behind the last batch that was placed. */
  get endOffset(): number {
    return this.#endOffset;
  }

  /** There. */
  get chain(): Chain {
    return this.#chain;
  }

  /** Makes a frame the next batch and has it written. */
  place(framed: Framed, body: Buffer): Batch {
    const { kind, producer, epoch, sequence, entryCount, bodyChecksum } = framed;
    const what = { kind, producer, epoch, sequence, entryCount, bodyChecksum };
    const offset = this.#endOffset;
    const batch = buildBatch({ ...what, offset, term: bareTerm, timeMs }, body, this.#chain);
    this.#chain = batch.header.chain;
    this.#endOffset = batchEnd(batch.header);
    if (this.#gathered.length === 0) systemClock.soon(() => this.#flush());
    this.#gathered.push(batch);
    return batch;
  }

  #flush(): void {
    const batches = this.#gathered;
    this.#gathered = [];
    this.log.append(batches);
  }
}
