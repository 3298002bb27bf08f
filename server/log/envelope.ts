/**
 * Small files of JSON: one line `loglog <kind> <version> <checksum>`, then the JSON. The checksum
 * is the CRC-32/ISO-HDLC, in 8 hexadecimal digits, of `<kind> <version>\n` and the JSON. That line
 * is the same in every version, so it is verified before the version is believed.
 */
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { LogLogError } from '../../proto/errors.js';
import type { Disk } from './disk.js';

export interface EnvelopeFormat {
  /** What the file is; one word. */
  readonly kind: string;
  readonly version: number;
}

const headLine = /^loglog ([a-z-]+) ([0-9]+) ([0-9a-f]{8})\n/;
const headLineBytesMax = 128;

export function encodeEnvelope({ kind, version }: EnvelopeFormat, value: unknown): Buffer {
  const json = Buffer.from(`${JSON.stringify(value)}\n`);
  return Buffer.concat([
    Buffer.from(`loglog ${kind} ${version} ${checksumOf(kind, String(version), json)}\n`),
    json,
  ]);
}

/** Throws DATA_CORRUPT or FORMAT_UNKNOWN, naming `path`. */
export function decodeEnvelope(format: EnvelopeFormat, bytes: Buffer, path: string): unknown {
  const head = headLine.exec(bytes.toString('latin1', 0, headLineBytesMax));
  const [line = '', kind = '', version = '', checksum] = head ?? [];
  const json = bytes.subarray(line.length);
  if (kind !== format.kind || checksum !== checksumOf(kind, version, json)) {
    throw new LogLogError('DATA_CORRUPT', `${path}: not a whole ${format.kind} file`);
  }
  if (version !== String(format.version)) {
    throw new LogLogError('FORMAT_UNKNOWN', `${path}: unknown ${kind} format version ${version}`);
  }
  return JSON.parse(json.toString()) as unknown;
}

/** Undefined if there is no such file. */
export async function readEnvelope(
  disk: Disk,
  path: string,
  format: EnvelopeFormat,
): Promise<unknown> {
  const length = await disk.lengthOf(path);
  if (length === undefined) return undefined;
  const bytes = Buffer.alloc(length);
  const file = await disk.open(path, 'read');
  try {
    const bytesRead = await file.read(bytes, 0);
    return decodeEnvelope(format, bytes.subarray(0, bytesRead), path);
  } finally {
    await file.close();
  }
}

/**
 * Puts `bytes` in the place of a file, durably and at once: after a crash there is the old file
 * (or none) or the new one, whole. Until then it has the name `unfinished`, under which an earlier
 * crash may have left something.
 */
export async function replaceFile(
  disk: Disk,
  directory: string,
  name: string,
  bytes: Buffer,
  unfinished = `${name}.unfinished`,
): Promise<void> {
  const path = join(directory, unfinished);
  if ((await disk.lengthOf(path)) !== undefined) await disk.remove(path);
  const file = await disk.open(path, 'create');
  try {
    await file.write([bytes], 0);
  } finally {
    await file.close();
  }
  await disk.rename(path, join(directory, name));
  await disk.syncDirectory(directory);
}

function checksumOf(kind: string, version: string, json: Buffer): string {
  const checksum = crc32(json, crc32(`${kind} ${version}\n`));
  return checksum.toString(16).padStart(8, '0');
}
