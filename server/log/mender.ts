/**
 * Walks a segment from front to back and puts right what is bad in it. Nothing is written that is
 * not proven (proof.ts).
 *
 * A crash in between leaves less rot or as much, and hides none: the header of the first bad batch
 * is written last, when all behind it is durable. Until then the log is bad at the same place, and
 * what shows that this is no torn write still stands behind it.
 */
import { join } from 'node:path';
import type { Batch, Chain } from '../../proto/batch.js';
import { batchEnd, decodeHeader, genesisChain } from '../../proto/batch.js';
import { LogLogError } from '../../proto/errors.js';
import { headerBytes } from '../../proto/limits.js';
import type { Disk, DiskFile } from './disk.js';
import { DiskError } from './disk.js';
import { Fill } from './fill.js';
import type { Donor, Doubt, Proven, Standing } from './proof.js';
import { noDoubt, prove } from './proof.js';
import { Rot } from './rot.js';
import type { Damage, Place } from './scan.js';
import { misfit, scanBatches } from './scan.js';
import type { SegmentFormat } from './segment.js';
import {
  corrupt,
  encodeSegmentHeader,
  fileHeaderBytes,
  foreignness,
  misplacement,
  offsetAt,
  positionOf,
  segmentName,
} from './segment.js';
import { openWindow, readSegmentHeader } from './segment-files.js';
import { loadIndex, saveIndex, SegmentIndex } from './segment-index.js';
import { SegmentWindow } from './segment-window.js';
import { judge } from './torn.js';

/** Where the log is known to have got to. */
export type KnownPlace = Pick<Place, 'offset' | 'chain'>;

export interface MendOptions extends SegmentFormat {
  readonly disk: Disk;
  /** The segments'. */
  readonly directory: string;
  readonly donor: Donor;
  /** Of the segments that are there or should be, ascending. */
  readonly bases: readonly number[];
  readonly known: readonly KnownPlace[];
  /** What lies behind is left alone; Infinity while nobody else uses the log. */
  readonly endOffset: number;
}

/** Where a segment ends for good: the next one begins in front of what may still be cut back. */
export function settledNext(
  { bases, endOffset }: Pick<MendOptions, 'bases' | 'endOffset'>,
  baseOffset: number,
): number | undefined {
  return bases.find((base) => base > baseOffset && base < endOffset);
}

export interface Unproven extends Doubt {
  readonly rot: Rot;
}

/** How far a segment is good: to its end, or to what could not be proven. */
export interface Walked {
  readonly end: Place | undefined;
  readonly unproven: Unproven | undefined;
}

export class Mender {
  /** Of segments that were missing and are there now. The walk ends where the first one begins. */
  readonly made: number[] = [];
  ranges = 0;
  bytes = 0;
  readonly #options: MendOptions;
  readonly #baseOffset: number;
  /** Undefined where the next segment may be cut back, or there is none. */
  readonly #nextBase: number | undefined;
  /** Of the walk; Infinity in a last segment, whose end it has to find. */
  readonly #endOffset: number;
  /** Chain values that the log is known to have at offsets. */
  readonly #known = new Map<number, Chain>();
  #headerIsBad = false;
  #mendedAt = -1;

  constructor(options: MendOptions, baseOffset: number) {
    this.#options = options;
    this.#baseOffset = baseOffset;
    this.#nextBase = settledNext(options, baseOffset);
    this.#endOffset = Math.min(options.endOffset, this.#nextBase ?? Infinity);
    for (const { offset, chain } of options.known) this.#known.set(offset, chain);
  }

  async run(): Promise<Walked> {
    await this.#learnFromNext();
    const file = await this.#open();
    try {
      const before = await this.#before(file);
      return before.end === undefined ? before : await this.#walk(file, before.end);
    } finally {
      await file.close();
    }
  }

  async #walk(file: DiskFile, start: Place): Promise<Walked> {
    const index = new SegmentIndex(this.#baseOffset);
    for (let from = start; ;) {
      const window = await this.#windowOn(file);
      const { segmentBytesMax } = this.#options;
      const scanned = await scanBatches(window, segmentBytesMax, from, ({ offset }) =>
        index.add(offset),
      );
      const { place } = scanned;
      if (this.#headerIsBad && place.offset > this.#baseOffset) {
        await this.#writeHeader(file, start);
      }
      const damage = scanned.damage ?? this.#shortness(place);
      if (damage === undefined) return this.#ended(file, place, index);
      const lost = await this.#isLost(window, place, damage);
      if (!lost) return { end: place, unproven: undefined };
      const unproven = await this.#mendAt(file, window, place, damage);
      if (unproven !== undefined) return { end: undefined, unproven };
      if (this.made.length > 0) return { end: undefined, unproven: undefined };
      from = place;
    }
  }

  /** The next segment says what stands in front of it. */
  async #learnFromNext(): Promise<void> {
    const nextBase = this.#nextBase;
    if (nextBase === undefined) return;
    await this.#lookInto(nextBase, async (window) => {
      const decoded = await readSegmentHeader(window);
      if (!decoded.ok) return;
      const { header } = decoded;
      const wrong = foreignness(header, this.#options) ?? misplacement(header, nextBase);
      if (wrong === undefined) this.#known.set(nextBase, header.chain);
    });
  }

  /** Undefined if the segment is missing. */
  async #lookInto<T>(
    baseOffset: number,
    look: (window: SegmentWindow) => Promise<T>,
  ): Promise<T | undefined> {
    const { disk, directory } = this.#options;
    const length = await disk.lengthOf(join(directory, segmentName(baseOffset)));
    if (length === undefined) return undefined;
    const { file, window } = await openWindow(disk, directory, baseOffset);
    try {
      return await look(window);
    } finally {
      await file.close();
    }
  }

  /** A file that is missing is made: its name is known to be in its place. */
  async #open(): Promise<DiskFile> {
    const { disk, directory } = this.#options;
    const path = join(directory, segmentName(this.#baseOffset));
    try {
      return await disk.open(path, 'write');
    } catch (error) {
      const missing = error instanceof DiskError && error.code === 'ENOENT';
      if (!missing) throw error;
    }
    const file = await disk.open(path, 'create');
    await disk.syncDirectory(directory);
    return file;
  }

  async #windowOn(file: DiskFile): Promise<SegmentWindow> {
    const end = positionOf(this.#baseOffset, this.#endOffset);
    return new SegmentWindow(file, this.#baseOffset, Math.min(await file.length(), end));
  }

  /** What stands in front of the segment: from its header or, if that is bad, what it has to be. */
  async #before(file: DiskFile): Promise<Walked> {
    const baseOffset = this.#baseOffset;
    const decoded = await readSegmentHeader(await this.#windowOn(file));
    if (decoded.ok) {
      const foreign = foreignness(decoded.header, this.#options);
      if (foreign !== undefined) throw corrupt(baseOffset, baseOffset, foreign);
      const { chain, term } = decoded.header;
      const end = { offset: baseOffset, chain, term, timeMs: 0 };
      if (misplacement(decoded.header, baseOffset) === undefined)
        return { end, unproven: undefined };
    }
    this.#headerIsBad = true;
    const { clusterId, bases } = this.#options;
    const previous = bases.findLast((base) => base < baseOffset);
    if (previous === undefined) {
      const end = { offset: 0, chain: genesisChain(clusterId), term: 0, timeMs: 0 };
      return { end, unproven: undefined };
    }
    const mender = new Mender(this.#options, previous);
    const walked = await mender.run();
    this.ranges += mender.ranges;
    this.bytes += mender.bytes;
    this.made.push(...mender.made);
    const known = walked.end?.offset === baseOffset;
    // Behind a segment that was made there is a new one in front of this: that is another walk.
    if (known || walked.unproven !== undefined || this.made.length > 0) return walked;
    return this.#cannotProve(baseOffset, 'what stands in front of the segment is missing');
  }

  /** The damage of a file that ends where more has to stand. */
  #shortness({ offset }: Place): Damage | undefined {
    const isShort = this.#endOffset !== Infinity && offset < this.#endOffset;
    return isShort ? { type: 'header', reason: 'the file ends here' } : undefined;
  }

  async #isLost(window: SegmentWindow, { offset }: Place, damage: Damage): Promise<boolean> {
    if (this.#endOffset !== Infinity) return true;
    const fill = new Fill(this.#options.clusterId, this.#baseOffset);
    return (await judge(window, fill, offset, damage)) === 'within';
  }

  async #mendAt(
    file: DiskFile,
    window: SegmentWindow,
    place: Place,
    damage: Damage,
  ): Promise<Unproven | undefined> {
    if (place.offset === this.#mendedAt) {
      throw new LogLogError(
        'DISK_FAILED',
        `${damage.reason}, behind a write that said it was done`,
      );
    }
    this.#mendedAt = place.offset;
    // A header that follows says itself which batch this has to be.
    if (damage.type === 'body') this.#known.set(batchEnd(damage.header), damage.header.chain);
    const question = {
      from: place,
      baseOffset: this.#baseOffset,
      segmentBytesMax: this.#options.segmentBytesMax,
      endOffset:
        this.#endOffset === Infinity ? offsetAt(this.#baseOffset, window.length) : this.#endOffset,
      standing: (reached: Place) => this.#standing(window, reached),
    };
    for (;;) {
      const answer = await prove(this.#options.donor, question);
      if (answer.type === 'unproven') {
        return this.#cannotProve(place.offset, damage.reason, answer).unproven;
      }
      if (answer.type === 'proven') {
        await this.#write(file, answer.batches);
        return undefined;
      }
      for (const { offset, chain } of answer.waypoints) this.#known.set(offset, chain);
    }
  }

  async #standing(window: SegmentWindow, place: Place): Promise<Standing> {
    const known = this.#known.get(place.offset);
    if (known !== undefined) return known === place.chain ? 'anchored' : 'refuted';
    const follows =
      place.offset === this.#nextBase
        ? await this.#lookInto(place.offset, (next) => this.#batchFollows(next, place))
        : await this.#batchFollows(window, place);
    return follows === true ? 'anchored' : 'open';
  }

  /** Whether the header that stands at a place of this disk follows what is said to be there. */
  async #batchFollows(window: SegmentWindow, place: Place): Promise<boolean> {
    const { baseOffset } = window;
    const bytes = await window.bytesAt(positionOf(baseOffset, place.offset), headerBytes);
    const decoded = decodeHeader(bytes);
    const { segmentBytesMax } = this.#options;
    if (!decoded.ok) return false;
    return misfit(decoded.header, bytes, place, baseOffset, segmentBytesMax) === undefined;
  }

  async #write(file: DiskFile, batches: readonly Proven[]): Promise<void> {
    for (const baseOffset of new Set(batches.map((proven) => proven.baseOffset))) {
      const inSegment = batches.filter((proven) => proven.baseOffset === baseOffset);
      const [first] = inSegment;
      if (first === undefined) continue;
      const parts = inSegment.flatMap(({ batch }) => partsOf(batch));
      if (baseOffset === this.#baseOffset) {
        const position = positionOf(baseOffset, first.before.offset);
        await file.write(parts.slice(1), position + headerBytes);
        await file.write(parts.slice(0, 1), position);
      } else {
        await this.#make(first.before, parts);
      }
      for (const { length } of parts) this.bytes += length;
    }
    this.ranges += 1;
  }

  /** Makes a segment that was missing. */
  async #make(before: Place, parts: readonly Buffer[]): Promise<void> {
    const { disk, directory } = this.#options;
    const file = await disk.open(join(directory, segmentName(before.offset)), 'create');
    try {
      await file.write([this.#headerBehind(before), ...parts], 0);
    } finally {
      await file.close();
    }
    await disk.syncDirectory(directory);
    this.made.push(before.offset);
  }

  async #writeHeader(file: DiskFile, before: Place): Promise<void> {
    await file.write([this.#headerBehind(before)], 0);
    this.#headerIsBad = false;
    this.ranges += 1;
    this.bytes += fileHeaderBytes;
  }

  #headerBehind({ offset, chain, term }: Place): Buffer {
    const { clusterId, segmentBytesMax } = this.#options;
    return encodeSegmentHeader({ clusterId, segmentBytesMax, baseOffset: offset, chain, term });
  }

  /** The walk is at its end; of a sealed segment the length and the index are put right as well. */
  async #ended(file: DiskFile, place: Place, index: SegmentIndex): Promise<Walked> {
    const { offset } = place;
    const known = this.#known.get(offset);
    if (known !== undefined && known !== place.chain) {
      return this.#cannotProve(offset, 'the log does not go on from here');
    }
    if (offset === this.#nextBase) {
      const length = positionOf(this.#baseOffset, offset);
      if ((await file.length()) > length) {
        await file.truncate(length);
        this.ranges += 1;
      }
      await this.#mendIndex(index, offset);
    }
    return { end: place, unproven: undefined };
  }

  async #mendIndex(index: SegmentIndex, endOffset: number): Promise<void> {
    const { disk, directory } = this.#options;
    const saved = await loadIndex(disk, directory, this.#baseOffset, endOffset);
    if (saved?.encode(endOffset).equals(index.encode(endOffset)) === true) return;
    try {
      await saveIndex(disk, directory, index, endOffset);
      await disk.syncDirectory(directory);
    } catch (error) {
      // Without an index the segment is read from its front.
      if (!(error instanceof DiskError) || !error.noSpace) throw error;
    }
  }

  #cannotProve(offset: number, reason: string, doubt: Doubt = noDoubt): Walked {
    const where = { baseOffset: this.#baseOffset, nextBase: this.#nextBase, offset };
    const rot = new Rot('within', where, `${reason}, and no copy proves what stood there`);
    const { unanswered, lostElsewhere } = doubt;
    return { end: undefined, unproven: { rot, unanswered, lostElsewhere } };
  }
}

function partsOf({ headerBytes: header, body }: Batch): readonly Buffer[] {
  return [header, body];
}
