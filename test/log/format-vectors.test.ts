import t from 'tap';
import { Fill } from '../../server/log/fill.js';
import { HardState } from '../../server/log/hard-state.js';
import { clusterIdOf, createIdentity, loadIdentity } from '../../server/log/identity.js';
import { decodeSegmentHeader, encodeSegmentHeader, sectorBytes } from '../../server/log/segment.js';
import { SegmentIndex } from '../../server/log/segment-index.js';
import { TruncationRecord } from '../../server/log/truncation-record.js';
import { bytesOf, directoryVectors, paddedBytes } from '../project/vectors.js';
import { MemoryDisk } from './memory-disk.js';

const { cluster } = directoryVectors;

async function directory(): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  await disk.makeDirectory('/data');
  return disk;
}

async function fileOf(path: string, parts: readonly Buffer[]): Promise<MemoryDisk> {
  const disk = await directory();
  const file = await disk.open(path, 'create');
  await file.write(parts, 0);
  await file.close();
  await disk.syncDirectory('/data');
  return disk;
}

async function contentOf(disk: MemoryDisk, path: string): Promise<Buffer> {
  const file = await disk.open(path, 'read');
  const bytes = Buffer.alloc(await file.length());
  await file.read(bytes, 0);
  await file.close();
  return bytes;
}

t.test('a cluster has this id, and a directory this identity', async (t) => {
  const { name, members, segmentBytesMax, clusterId } = cluster;
  t.equal(clusterIdOf(name, members, segmentBytesMax), clusterId);
  const { nodeId, incarnation, slot } = directoryVectors.identity;
  const bytes = paddedBytes(slot);
  const disk = await directory();
  const plan = { name, members: members.toReversed(), nodeId, segmentBytesMax, incarnation };
  const identity = await createIdentity(disk, '/data', plan);
  t.same(await contentOf(disk, '/data/identity'), Buffer.concat([bytes, bytes]));
  t.same(await loadIdentity(await fileOf('/data/identity', [bytes, bytes]), '/data'), identity);
});

t.test('a segment begins with this header and is filled with this pattern', async (t) => {
  const { header, file } = directoryVectors.segment;
  t.same(encodeSegmentHeader(header), paddedBytes(file));
  t.same(decodeSegmentHeader(paddedBytes(file), 'x'), { ok: true, header });
  const { baseOffset, sector } = directoryVectors.fill;
  const fill = new Fill(cluster.clusterId, baseOffset);
  const from = 8 * sectorBytes;
  t.equal(Buffer.concat(fill.parts(from, from + sectorBytes)).toString('hex'), sector);
  t.ok(fill.matches(bytesOf(sector).subarray(100), from + 100));
});

t.test('a segment has this index', async (t) => {
  const { baseOffset, endOffset, batches, bytes } = directoryVectors.index;
  const index = new SegmentIndex(baseOffset);
  for (const offset of batches) index.add(offset);
  t.equal(index.encode(endOffset).toString('hex'), bytes);
  const read = SegmentIndex.decode(bytesOf(bytes), baseOffset, endOffset);
  t.equal(read?.encode(endOffset).toString('hex'), bytes);
});

t.test('term, vote and admission lie in these slots', async (t) => {
  const { term, vote, admitted, slot } = directoryVectors.hardState;
  const bytes = paddedBytes(slot);
  const disk = await fileOf('/data/hard-state', [bytes, bytes]);
  t.same(await HardState.peek(disk, '/data'), { term, vote, admitted });

  const other = await directory();
  const state = await HardState.create(other, '/data', { term: 0, vote: null, admitted });
  await state.save(term, vote, admitted);
  await state.close();
  t.same(await slotsWithoutCounters(other, '/data/hard-state'), [withoutCounter(bytes)]);
});

t.test('a truncation is recorded in these slots', async (t) => {
  const { offset, endOffset, slot } = directoryVectors.truncation;
  const bytes = paddedBytes(slot);
  const disk = await fileOf('/data/truncation', [bytes, bytes]);
  t.same(await TruncationRecord.peek(disk, '/data'), { offset, endOffset });

  const other = await directory();
  const record = await TruncationRecord.open(other, '/data');
  await record.write({ offset, endOffset });
  await record.close();
  t.same(await slotsWithoutCounters(other, '/data/truncation'), [withoutCounter(bytes)]);
});

/** How often was saved before is not part of the example; nor is the checksum that covers it. */
function withoutCounter(slot: Buffer): string {
  return Buffer.concat([slot.subarray(0, 8), slot.subarray(16, -4)]).toString('hex');
}

/** Each different one. */
async function slotsWithoutCounters(disk: MemoryDisk, path: string): Promise<string[]> {
  const bytes = await contentOf(disk, path);
  const slots = [bytes.subarray(0, 4096), bytes.subarray(4096)];
  return [...new Set(slots.map(withoutCounter))];
}
