/**
 * Mends the log while it runs: below the committed end nothing is ever cut back, so there it can
 * be written beside the writer. One segment is mended at a time.
 */
import { LogLogError } from '../../proto/errors.js';
import type { Disk } from './disk.js';
import type { Mended } from './mend.js';
import { mend } from './mend.js';
import type { KnownPlace, MendOptions } from './mender.js';
import type { Donor } from './proof.js';
import type { Pause } from './scrub.js';
import { isSound } from './scrub.js';
import type { SegmentFormat } from './segment.js';

/** Where what is lost comes from, and how far the log can be mended. */
export interface MendSource {
  readonly donor: Donor;
  /** The committed end. */
  committedEnd(): KnownPlace;
  /** Told whenever something was mended, or could not be. */
  onMended(mended: Mended): void;
}

/** The log as it is at this moment. */
export interface Extent {
  readonly bases: readonly number[];
  readonly durableOffset: number;
}

export interface MendingOptions extends SegmentFormat {
  readonly disk: Disk;
  /** The segments'. */
  readonly directory: string;
  extent(): Extent;
  /**
   * A segment has been written to: what is kept of its file and its index is out of date. `made`
   * are base offsets of segments that nobody knew to be missing.
   */
  onMended(baseOffset: number, made: readonly number[]): Promise<void>;
}

export interface Scrubbed extends Mended {
  /** How far the segment was looked at. */
  readonly bytesRead: number;
}

export interface Repairs {
  readonly ranges: number;
  readonly bytes: number;
}

export class Mending {
  readonly #options: MendingOptions;
  /** By base offset; a mending that several ask for is done once. */
  readonly #underWay = new Map<number, Promise<Mended>>();
  #source: MendSource | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #repairs: Repairs = { ranges: 0, bytes: 0 };
  #closed = false;

  constructor(options: MendingOptions) {
    this.#options = options;
  }

  use(source: MendSource): void {
    this.#source = source;
  }

  /** Of the log since it was opened. */
  get repairs(): Repairs {
    return this.#repairs;
  }

  /** Everything below can be mended. */
  get below(): number {
    const { durableOffset } = this.#options.extent();
    return Math.min(this.#source?.committedEnd().offset ?? 0, durableOffset);
  }

  /** Mends the segment as far as it can be. Throws as mend.ts. */
  mend(baseOffset: number): Promise<Mended> {
    const underWay = this.#underWay.get(baseOffset);
    if (underWay !== undefined) return underWay;
    const mended = this.#last
      .then(() => this.#mendNow(baseOffset))
      .finally(() => this.#underWay.delete(baseOffset));
    this.#underWay.set(baseOffset, mended);
    this.#last = mended.catch(() => undefined);
    return mended;
  }

  /**
   * Reads the segment as far as it can be mended, and mends it if it is not as it should be.
   * `pause` is called behind every piece that was read, with its length. Throws as mend.ts.
   */
  async scrub(baseOffset: number, pause: Pause): Promise<Scrubbed> {
    const options = this.#optionsFor(baseOffset);
    if (options === undefined) return { ...nothing(baseOffset), bytesRead: 0 };
    const { bytesRead, sound } = await isSound(options, baseOffset, pause);
    return { ...(sound ? nothing(baseOffset) : await this.mend(baseOffset)), bytesRead };
  }

  /** Waits for what is being mended. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#last;
  }

  async #mendNow(baseOffset: number): Promise<Mended> {
    if (this.#closed) throw new LogLogError('SHUTTING_DOWN', 'the log is closed');
    const options = this.#optionsFor(baseOffset);
    if (options === undefined) return nothing(baseOffset);
    const mended = await mend(options, baseOffset);
    const { ranges, bytes } = this.#repairs;
    this.#repairs = { ranges: ranges + mended.ranges, bytes: bytes + mended.bytes };
    await this.#options.onMended(baseOffset, mended.made);
    this.#source?.onMended(mended);
    return mended;
  }

  /**
   * Undefined where nothing can be mended: behind what is committed, and where no segment begins any
   * more. Whoever asks may have heard of it before the log was cut back.
   */
  #optionsFor(baseOffset: number): MendOptions | undefined {
    if (this.#source === undefined) return undefined;
    const { disk, directory, clusterId, segmentBytesMax } = this.#options;
    const { bases, durableOffset } = this.#options.extent();
    const end = this.#source.committedEnd();
    const endOffset = Math.min(end.offset, durableOffset);
    if (baseOffset >= endOffset || !bases.includes(baseOffset)) return undefined;
    return {
      disk,
      directory,
      clusterId,
      segmentBytesMax,
      donor: this.#source.donor,
      bases: [...bases],
      known: [end],
      endOffset,
    };
  }
}

function nothing(baseOffset: number): Mended {
  return { baseOffset, ranges: 0, bytes: 0, made: [], unproven: undefined };
}
