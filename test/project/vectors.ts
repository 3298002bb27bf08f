/** The fixed examples in test/vectors. Bytes are hexadecimal digits there. */
import type { BatchHeader } from '../../proto/batch.js';
import type { SegmentHeader } from '../../server/log/segment.js';
import { readText } from './repository.js';

export interface BatchVector {
  readonly header: BatchHeader;
  readonly entries: readonly string[];
  /** Header and body. */
  readonly bytes: string;
}

export interface BatchVectors {
  readonly clusterId: string;
  readonly genesisChain: string;
  /** A cluster's first batches, one behind the other. */
  readonly log: readonly BatchVector[];
  readonly largest: BatchVector & { readonly previousChain: string };
}

export interface EntryVectors {
  readonly good: readonly {
    readonly name: string;
    readonly entries: readonly string[];
    readonly body: string;
  }[];
  readonly bad: readonly { readonly name: string; readonly body: string }[];
}

export interface DigestVectors {
  readonly digests: readonly {
    readonly name: string;
    readonly key: string;
    readonly offset: number;
    readonly body: string;
    readonly digest: string;
  }[];
}

/** `front`, zeros up to `bytes` in all, and in the last four of them `checksum`. */
export interface PaddedVector {
  readonly front: string;
  readonly checksum: string;
  readonly bytes: number;
}

export interface DirectoryVectors {
  readonly cluster: {
    readonly name: string;
    readonly members: readonly string[];
    readonly segmentBytesMax: number;
    readonly clusterId: string;
  };
  readonly identity: {
    readonly nodeId: string;
    readonly incarnation: number;
    readonly counter: number;
    readonly slot: PaddedVector;
  };
  readonly segment: { readonly header: SegmentHeader; readonly file: PaddedVector };
  readonly fill: { readonly baseOffset: number; readonly sector: string };
  readonly index: {
    readonly baseOffset: number;
    readonly endOffset: number;
    /** Where the segment's batches begin. */
    readonly batches: readonly number[];
    readonly bytes: string;
  };
  readonly hardState: {
    readonly term: number;
    readonly vote: string;
    readonly admitted: number;
    readonly counter: number;
    readonly slot: PaddedVector;
  };
  readonly truncation: {
    readonly offset: number;
    readonly endOffset: number;
    readonly counter: number;
    readonly slot: PaddedVector;
  };
}

export const batchVectors = read('batches') as BatchVectors;
export const entryVectors = read('entries') as EntryVectors;
export const digestVectors = read('digests') as DigestVectors;
export const directoryVectors = read('directory') as DirectoryVectors;

export function bytesOf(hex: string): Buffer {
  return Buffer.from(hex, 'hex');
}

export function paddedBytes({ front, checksum, bytes }: PaddedVector): Buffer {
  const whole = Buffer.alloc(bytes);
  bytesOf(front).copy(whole);
  bytesOf(checksum).copy(whole, bytes - 4);
  return whole;
}

function read(name: string): unknown {
  return JSON.parse(readText(`test/vectors/${name}.json`));
}
