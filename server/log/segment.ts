/**
 * One file of the log: a header of 4096 bytes, then batches. Its name is the base offset, and a
 * byte of the log lies at 4096 + (offset - base offset). Layout: docs/FORMAT.md.
 */
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { Bad, BatchHeader, Chain } from '../../proto/batch.js';
import { bad, batchEnd } from '../../proto/batch.js';
import { LogLogError } from '../../proto/errors.js';
import { blockBytes } from './disk.js';

export const fileHeaderBytes = 4096;

/** What a disk writes whole or not at all. */
export const sectorBytes = 512;

export interface SegmentHeader {
  /** 64 hexadecimal digits. */
  readonly clusterId: string;
  readonly baseOffset: number;
  /** Of the batch in front of the base; the genesis values in the first segment. */
  readonly chain: Chain;
  readonly term: number;
  readonly segmentBytesMax: number;
}

/** What all segments of a log have in common. */
export type SegmentFormat = Pick<SegmentHeader, 'clusterId' | 'segmentBytesMax'>;

const magic = 'LLsg';
const formatVersion = 1;
const clusterIdAt = 32;
const chainAt = 64;
const contentEnd = 80;
const checksumAt = fileHeaderBytes - 4;

/** Where the segments lie in a data directory. */
export function segmentsIn(dataDirectory: string): string {
  return join(dataDirectory, 'log');
}

export function segmentName(baseOffset: number): string {
  return `${String(baseOffset).padStart(16, '0')}.segment`;
}

export function indexName(baseOffset: number): string {
  return `${String(baseOffset).padStart(16, '0')}.index`;
}

/** What a file name says, or undefined if it is neither a segment's nor an index's. */
export function parseName(
  name: string,
): { readonly type: 'segment' | 'index'; readonly baseOffset: number } | undefined {
  const found = /^(\d{16})\.(segment|index)$/.exec(name);
  if (found === null) return undefined;
  return { type: found[2] === 'index' ? 'index' : 'segment', baseOffset: Number(found[1]) };
}

export function positionOf(baseOffset: number, offset: number): number {
  return fileHeaderBytes + offset - baseOffset;
}

export function offsetAt(baseOffset: number, position: number): number {
  return baseOffset + position - fileHeaderBytes;
}

export function roundUpToBlock(position: number): number {
  return Math.ceil(position / blockBytes) * blockBytes;
}

/** Files are cut where the content says so: a larger batch has a segment of its own. */
export function fitsSegment(
  header: BatchHeader,
  baseOffset: number,
  segmentBytesMax: number,
): boolean {
  return header.offset === baseOffset || batchEnd(header) <= baseOffset + segmentBytesMax;
}

/** How many of the first batches go into one segment and are at most `bytesMax`; at least one. */
export function countFitting(
  batches: readonly BatchHeader[],
  baseOffset: number,
  segmentBytesMax: number,
  bytesMax: number,
): number {
  const start = batches[0]?.offset ?? 0;
  const misfit = batches.findIndex(
    (header) =>
      !fitsSegment(header, baseOffset, segmentBytesMax) || batchEnd(header) - start > bytesMax,
  );
  return misfit < 0 ? batches.length : Math.max(1, misfit);
}

/** The bytes at `offset` of a segment are not what they were when they were written. */
export function corrupt(
  baseOffset: number,
  offset: number,
  reason: string,
  cause?: unknown,
): LogLogError {
  return new LogLogError(
    'DATA_CORRUPT',
    `${segmentName(baseOffset)}, offset ${offset}: ${reason}`,
    { cause },
  );
}

/** Of a file that is cut back to its header: the pattern behind that is there before it. */
export const endsBehindHeader = 'the file ends behind its header';

export function encodeSegmentHeader(header: SegmentHeader): Buffer {
  const bytes = Buffer.alloc(fileHeaderBytes);
  bytes.write(magic, 0, 'latin1');
  bytes.writeUInt16LE(formatVersion, 4);
  bytes.writeBigUInt64LE(BigInt(header.baseOffset), 8);
  bytes.writeBigUInt64LE(BigInt(header.term), 16);
  bytes.writeBigUInt64LE(BigInt(header.segmentBytesMax), 24);
  bytes.write(header.clusterId, clusterIdAt, chainAt - clusterIdAt, 'hex');
  bytes.write(header.chain, chainAt, contentEnd - chainAt, 'hex');
  bytes.writeUInt32LE(crc32(bytes.subarray(0, checksumAt)), checksumAt);
  return bytes;
}

export type DecodedSegmentHeader = { readonly ok: true; readonly header: SegmentHeader } | Bad;

/** Reads what stands at the front of the file; throws FORMAT_UNKNOWN for another version. */
export function decodeSegmentHeader(bytes: Buffer, name: string): DecodedSegmentHeader {
  if (bytes.length < fileHeaderBytes) return bad("the file's header is cut short");
  if (bytes.toString('latin1', 0, magic.length) !== magic) return bad('not a segment file');
  if (bytes.readUInt32LE(checksumAt) !== crc32(bytes.subarray(0, checksumAt))) {
    return bad("the checksum of the file's header is wrong");
  }
  const version = bytes.readUInt16LE(4);
  if (version !== formatVersion) {
    throw new LogLogError('FORMAT_UNKNOWN', `${name}: unknown segment format version ${version}`);
  }
  const header: SegmentHeader = {
    baseOffset: Number(bytes.readBigUInt64LE(8)),
    term: Number(bytes.readBigUInt64LE(16)),
    segmentBytesMax: Number(bytes.readBigUInt64LE(24)),
    clusterId: bytes.toString('hex', clusterIdAt, chainAt),
    chain: bytes.toString('hex', chainAt, contentEnd),
  };
  return { ok: true, header };
}

/** Why the header is of another log, if it is. */
export function foreignness(header: SegmentHeader, format: SegmentFormat): string | undefined {
  if (header.clusterId !== format.clusterId) {
    return `the file belongs to the cluster ${header.clusterId}`;
  }
  if (header.segmentBytesMax !== format.segmentBytesMax) {
    return `the file was made for segments of ${header.segmentBytesMax} bytes`;
  }
  return undefined;
}

/** Why the header is of another segment, if it is: a disk may write to a wrong place. */
export function misplacement(header: SegmentHeader, baseOffset: number): string | undefined {
  return header.baseOffset === baseOffset
    ? undefined
    : `the file is the one of offset ${header.baseOffset}`;
}
