/**
 * Checksums of bodies. With Node's own they were a quarter of what a reader computes, so they come
 * from @node-rs/crc32, which is three times as fast: docs/BENCHMARKS.md. It is machine code; where
 * there is none for the platform, `node:zlib` gives the same values.
 */
import { createRequire } from 'node:module';
import * as zlib from 'node:zlib';

/** CRC-32/ISO-HDLC: that of gzip. */
export type Checksum = (bytes: Uint8Array) => number;

export interface ChecksumLibrary {
  readonly name: '@node-rs/crc32' | 'node:zlib';
  readonly checksum: Checksum;
}

export const checksumLibrary: ChecksumLibrary = loadLibrary(createRequire(import.meta.url));

export const bodyChecksum: Checksum = checksumLibrary.checksum;

/** The faster of the two that `load` finds. */
export function loadLibrary(load: (name: string) => unknown): ChecksumLibrary {
  try {
    const { crc32 } = load('@node-rs/crc32') as { crc32: Checksum };
    return { name: '@node-rs/crc32', checksum: (bytes) => crc32(bytes) };
  } catch {
    return { name: 'node:zlib', checksum: (bytes) => zlib.crc32(bytes) };
  }
}
