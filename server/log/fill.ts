/**
 * What stands in a segment where no batch was written yet: a sector's worth of pseudo-random
 * bytes, again and again, that follow from the cluster and the segment. A sector that holds it was
 * filled and never written, which is how recovery tells a torn write from rot.
 */
import { createHash } from 'node:crypto';
import { assert } from '../../proto/errors.js';
import { sectorBytes } from './segment.js';

const blockBytes = 128 * sectorBytes;
const digestBytes = 32;

/** The first byte of every batch: the pattern has none, so no batch can begin like it. */
const batchFirstByte = 'L'.charCodeAt(0);

export class Fill {
  readonly #block: Buffer;

  constructor(clusterId: string, baseOffset: number) {
    const sector = Buffer.alloc(sectorBytes);
    for (let at = 0; at < sectorBytes; at += digestBytes) {
      const digest = createHash('sha256').update(`loglog fill 1 ${clusterId} ${baseOffset} ${at}`);
      sector.set(digest.digest(), at);
    }
    for (let at = sector.indexOf(batchFirstByte); at >= 0; at = sector.indexOf(batchFirstByte)) {
      sector[at] = ~batchFirstByte & 0xff;
    }
    this.#block = Buffer.alloc(blockBytes, sector);
  }

  /** The pattern of the file positions from `from` to `to`, in parts that share memory. */
  parts(from: number, to: number): Buffer[] {
    const parts: Buffer[] = [];
    for (let at = from; at < to;) {
      const phase = at % sectorBytes;
      const part = this.#block.subarray(phase, phase + Math.min(to - at, blockBytes - phase));
      parts.push(part);
      at += part.length;
    }
    return parts;
  }

  /** Whether `bytes`, at most a sector's worth read at `position`, are the pattern. */
  matches(bytes: Buffer, position: number): boolean {
    assert(bytes.length <= sectorBytes, 'the pattern is compared sector by sector');
    const phase = position % sectorBytes;
    return bytes.equals(this.#block.subarray(phase, phase + bytes.length));
  }
}
