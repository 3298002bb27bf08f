/**
 * The batch: a header of 96 bytes and a body. It is the unit of upload, of replication and of
 * checksum, and it is the same on disk, between nodes and in a page. Layout: docs/FORMAT.md.
 */
import { hash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { bodyChecksum } from './checksum.js';
import { batchEntriesMax, bodyBytesMax, headerBytes } from './limits.js';

export const batchKinds = { data: 1, noop: 2, open: 3, fence: 4, incarnation: 5 } as const;
export type BatchKind = keyof typeof batchKinds;
const kindNames = new Map<number, BatchKind>(
  Object.entries(batchKinds).map(([name, value]) => [value, name as BatchKind]),
);

/** 16 hexadecimal digits. The producer of batches that no client wrote is all zeros. */
export type ProducerId = string;
export const noProducer: ProducerId = '0'.repeat(16);

/** 32 hexadecimal digits: equal chain values at equal offsets mean equal logs up to there. */
export type Chain = string;

export interface BatchHeader {
  readonly kind: BatchKind;
  /** Of the header's first byte in the log. */
  readonly offset: number;
  readonly term: number;
  /** The leader's clock when it ordered the batch; never less than its predecessor's. */
  readonly timeMs: number;
  readonly bodyBytes: number;
  readonly entryCount: number;
  readonly producer: ProducerId;
  /** The offset of the producer's `open` batch. */
  readonly epoch: number;
  readonly sequence: number;
  /** CRC-32/ISO-HDLC of the body. */
  readonly bodyChecksum: number;
  /** Over the predecessor's chain and this header's first 68 bytes. */
  readonly chain: Chain;
}

export interface Batch {
  readonly header: BatchHeader;
  readonly headerBytes: Buffer;
  readonly body: Buffer;
}

/** Why bytes are not what they should be; `reason` is for people. */
export interface Bad {
  readonly ok: false;
  readonly reason: string;
}

const magic = Buffer.from('LLog', 'latin1').readUInt32LE(0);
const formatVersion = 1;
const chainAt = 68;
const chainBytes = 16;
const reservedAt = chainAt + chainBytes;
const checksumAt = 92;

const chainInput = Buffer.alloc(chainBytes + chainAt);

/** The chain value in front of the first batch of a cluster's log. */
export function genesisChain(clusterId: string): Chain {
  return hash('sha256', `loglog chain 1 ${clusterId}`).slice(0, 32);
}

/** The chain value after a batch: the first 16 bytes of SHA-256(previous chain, header[0..68)). */
export function nextChain(previous: Chain, header: Uint8Array, at = 0): Chain {
  chainInput.write(previous, 0, chainBytes, 'hex');
  chainInput.set(header.subarray(at, at + chainAt), chainBytes);
  return hash('sha256', chainInput).slice(0, 2 * chainBytes);
}

export function batchEnd(header: BatchHeader): number {
  return header.offset + headerBytes + header.bodyBytes;
}

/** Builds a batch behind one whose chain value is `previousChain`. The body is not copied. */
export function buildBatch(
  fields: Omit<BatchHeader, 'chain' | 'bodyBytes'>,
  body: Buffer,
  previousChain: Chain,
): Batch {
  const bytes = Buffer.alloc(headerBytes);
  bytes.writeUInt32LE(magic, 0);
  bytes.writeUInt16LE(formatVersion, 4);
  bytes.writeUInt8(batchKinds[fields.kind], 6);
  writeSafeInteger(bytes, fields.offset, 8);
  writeSafeInteger(bytes, fields.term, 16);
  writeSafeInteger(bytes, fields.timeMs, 24);
  bytes.writeUInt32LE(body.length, 32);
  bytes.writeUInt32LE(fields.entryCount, 36);
  bytes.write(fields.producer, 40, 8, 'hex');
  writeSafeInteger(bytes, fields.epoch, 48);
  writeSafeInteger(bytes, fields.sequence, 56);
  bytes.writeUInt32LE(fields.bodyChecksum, 64);
  const chain = nextChain(previousChain, bytes);
  bytes.write(chain, chainAt, chainBytes, 'hex');
  bytes.writeUInt32LE(crc32(bytes.subarray(0, checksumAt)), checksumAt);
  return { header: { ...fields, bodyBytes: body.length, chain }, headerBytes: bytes, body };
}

export type DecodedHeader = { readonly ok: true; readonly header: BatchHeader } | Bad;

/**
 * Reads the header at `at`. Its checksum is verified before any of its fields is trusted, so a
 * length in the result is one that a writer meant; it says nothing yet about the body.
 */
export function decodeHeader(bytes: Buffer, at = 0): DecodedHeader {
  if (at < 0 || at + headerBytes > bytes.length) return bad('the header is cut short');
  if (bytes.readUInt32LE(at) !== magic) return bad('no batch begins here');
  const expected = crc32(bytes.subarray(at, at + checksumAt));
  if (bytes.readUInt32LE(at + checksumAt) !== expected)
    return bad("the header's checksum is wrong");
  const version = bytes.readUInt16LE(at + 4);
  if (version !== formatVersion) return bad(`unknown format version ${version}`);
  const kind = kindNames.get(bytes.readUInt8(at + 6));
  if (kind === undefined) return bad(`unknown batch kind ${bytes.readUInt8(at + 6)}`);
  if (bytes.readUInt8(at + 7) !== 0 || bytes.readBigUInt64LE(at + reservedAt) !== 0n) {
    return bad('reserved bytes are not zero');
  }
  const header: BatchHeader = {
    kind,
    offset: readInteger(bytes, at + 8),
    term: readInteger(bytes, at + 16),
    timeMs: readInteger(bytes, at + 24),
    bodyBytes: bytes.readUInt32LE(at + 32),
    entryCount: bytes.readUInt32LE(at + 36),
    producer: bytes.toString('hex', at + 40, at + 48),
    epoch: readInteger(bytes, at + 48),
    sequence: readInteger(bytes, at + 56),
    bodyChecksum: bytes.readUInt32LE(at + 64),
    chain: bytes.toString('hex', at + chainAt, at + chainAt + chainBytes),
  };
  if (header.bodyBytes > bodyBytesMax) return bad('the body is longer than any may be');
  if (header.entryCount > batchEntriesMax) return bad('there are more entries than may be');
  const integers = [header.offset, header.term, header.timeMs, header.epoch, header.sequence];
  if (!integers.every(Number.isSafeInteger)) return bad('a number is too large');
  return { ok: true, header };
}

export type DecodedBatch = { readonly ok: true; readonly batch: Batch } | Bad;

/** Reads and verifies the whole batch at `at`; its parts are views of `bytes`. */
export function decodeBatch(bytes: Buffer, at = 0): DecodedBatch {
  const decoded = decodeHeader(bytes, at);
  if (!decoded.ok) return decoded;
  const bodyAt = at + headerBytes;
  const end = bodyAt + decoded.header.bodyBytes;
  if (end > bytes.length) return bad('the body is cut short');
  const body = bytes.subarray(bodyAt, end);
  if (bodyChecksum(body) !== decoded.header.bodyChecksum)
    return bad("the body's checksum is wrong");
  return {
    ok: true,
    batch: { header: decoded.header, headerBytes: bytes.subarray(at, bodyAt), body },
  };
}

export function bad(reason: string): Bad {
  return { ok: false, reason };
}

function writeSafeInteger(bytes: Buffer, value: number, at: number): void {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`not an offset: ${value}`);
  bytes.writeUInt32LE(value % 2 ** 32, at);
  bytes.writeUInt32LE(Math.floor(value / 2 ** 32), at + 4);
}

/** May return a number that is no safe integer; the caller checks. */
function readInteger(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 2 ** 32;
}
