/**
 * A file that holds one small value twice, in two slots of 4096 bytes: the identity, the hard
 * state, the record of a truncation. Saving writes the first slot and then the second, each
 * durably, so one of them is whole at every moment, and a value that was saved outlives the loss of
 * either. The file never grows: saving needs no room.
 *
 * A slot: magic (4 bytes), format version (u16), zero (u16), counter (u64), length of the JSON
 * (u32), the JSON, zeros, and in the last 4 bytes the CRC-32/ISO-HDLC of all before it. Integers
 * are little-endian. The slot with the higher counter is the newer one.
 */
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { assert, LogLogError } from '../../proto/errors.js';
import type { Disk, DiskFile } from './disk.js';
import { DiskError } from './disk.js';
import { replaceFile } from './envelope.js';

export interface SlotFormat {
  readonly fileName: string;
  /** Four ASCII letters. */
  readonly magic: string;
  readonly version: number;
}

interface Saved {
  readonly counter: number;
  readonly value: unknown;
}

type Slot = ({ readonly type: 'whole' } & Saved) | { readonly type: 'torn' };

const slotBytes = 4096;
const slotCount = 2;
const jsonAt = 20;
const checksumAt = slotBytes - 4;

/** Makes the file, or replaces it as a whole. */
export async function createSlots(
  disk: Disk,
  directory: string,
  format: SlotFormat,
  value: unknown,
): Promise<void> {
  const slot = encodeSlot(format, { counter: 1, value });
  await replaceFile(disk, directory, format.fileName, Buffer.concat([slot, slot]));
}

/**
 * The saved value, without writing anything. Throws DATA_CORRUPT if no slot is whole, and
 * FORMAT_UNKNOWN for another version.
 */
export async function readSlots(
  disk: Disk,
  directory: string,
  format: SlotFormat,
): Promise<unknown> {
  const path = join(directory, format.fileName);
  const file = await disk.open(path, 'read');
  try {
    return (await readNewest(file, format, path)).value;
  } finally {
    await file.close();
  }
}

export class SlotFile {
  readonly #file: DiskFile;
  readonly #format: SlotFormat;
  #counter: number;
  /** The saves so far, one behind the other; once one has failed, so do all after it. */
  #saving: Promise<void> = Promise.resolve();

  private constructor(file: DiskFile, format: SlotFormat, counter: number) {
    this.#file = file;
    this.#format = format;
    this.#counter = counter;
  }

  /**
   * Opens the file and makes both slots agree again, since a crash may have come between them, or
   * rot into one. Throws as `readSlots` does.
   */
  static async open(
    disk: Disk,
    directory: string,
    format: SlotFormat,
  ): Promise<{ slots: SlotFile; value: unknown }> {
    const path = join(directory, format.fileName);
    const file = await disk.open(path, 'write');
    try {
      const { at, ...newest } = await readNewest(file, format, path);
      // Never the only whole one: a crash in here may come again and again.
      const other = (at + 1) % slotCount;
      await file.write([encodeSlot(format, newest)], other * slotBytes);
      return { slots: new SlotFile(file, format, newest.counter), value: newest.value };
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** Resolves when the value survives a power cut. */
  save(value: unknown): Promise<void> {
    this.#counter += 1;
    const slot = encodeSlot(this.#format, { counter: this.#counter, value });
    this.#saving = this.#saving.then(async () => {
      for (let i = 0; i < slotCount; i += 1) await this.#file.write([slot], i * slotBytes);
    });
    return this.#saving;
  }

  /** Waits for the saves that have begun. */
  async close(): Promise<void> {
    await Promise.allSettled([this.#saving]);
    await this.#file.close();
  }
}

/** A copy that the disk does not give back is as good as torn, if the other one is whole. */
async function readNewest(
  file: DiskFile,
  format: SlotFormat,
  path: string,
): Promise<Saved & { readonly at: number }> {
  let newest: (Saved & { readonly at: number }) | undefined;
  let unreadable: DiskError | undefined;
  for (let i = 0; i < slotCount; i += 1) {
    const bytes = Buffer.alloc(slotBytes);
    try {
      await file.read(bytes, i * slotBytes);
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      unreadable = error;
      continue;
    }
    const slot = decodeSlot(format, bytes, path);
    if (slot.type === 'torn') continue;
    if (newest === undefined || slot.counter > newest.counter) {
      newest = { counter: slot.counter, value: slot.value, at: i };
    }
  }
  if (newest !== undefined) return newest;
  if (unreadable !== undefined) throw unreadable;
  throw new LogLogError('DATA_CORRUPT', `${path}: neither of its two copies is whole`);
}

function encodeSlot(format: SlotFormat, { counter, value }: Saved): Buffer {
  const slot = Buffer.alloc(slotBytes);
  const json = Buffer.from(JSON.stringify(value));
  assert(jsonAt + json.length <= checksumAt, `${format.fileName}: the value fits into a slot`);
  slot.write(format.magic, 0, 4, 'latin1');
  slot.writeUInt16LE(format.version, 4);
  slot.writeBigUInt64LE(BigInt(counter), 8);
  slot.writeUInt32LE(json.length, 16);
  json.copy(slot, jsonAt);
  slot.writeUInt32LE(crc32(slot.subarray(0, checksumAt)), checksumAt);
  return slot;
}

function decodeSlot(format: SlotFormat, slot: Buffer, path: string): Slot {
  const whole =
    slot.toString('latin1', 0, 4) === format.magic &&
    slot.readUInt32LE(checksumAt) === crc32(slot.subarray(0, checksumAt));
  if (!whole) return { type: 'torn' };
  const version = slot.readUInt16LE(4);
  if (version !== format.version) {
    throw new LogLogError('FORMAT_UNKNOWN', `${path}: unknown format version ${version}`);
  }
  const counter = Number(slot.readBigUInt64LE(8));
  const json = slot.toString('utf8', jsonAt, jsonAt + slot.readUInt32LE(16));
  return { type: 'whole', counter, value: JSON.parse(json) as unknown };
}
