import t from 'tap';
import { randomBytes } from 'node:crypto';
import { batchEnd, decodeHeader } from '../../proto/batch.js';
import { Fill } from '../../server/log/fill.js';
import {
  decodeSegmentHeader,
  encodeSegmentHeader,
  fileHeaderBytes,
  indexName,
  parseName,
  segmentName,
} from '../../server/log/segment.js';
import { SegmentIndex } from '../../server/log/segment-index.js';
import { Batches, clusterId, directory, genesis, openLog, readAll } from './log-fixture.js';
import { MemoryDisk } from './memory-disk.js';

const header = {
  clusterId,
  baseOffset: Number.MAX_SAFE_INTEGER,
  chain: genesis.chain,
  term: 12,
  segmentBytesMax: 2 ** 30,
};

t.test('a segment header is read as it was written', async (t) => {
  const bytes = encodeSegmentHeader(header);
  t.equal(bytes.length, fileHeaderBytes);
  t.same(decodeSegmentHeader(bytes, 'x'), { ok: true, header });
});

t.test('any bit of a segment header that turned over is noticed', async (t) => {
  const missed: number[] = [];
  for (let bit = 0; bit < 8 * fileHeaderBytes; bit += 13) {
    const bytes = encodeSegmentHeader(header);
    bytes.writeUInt8(bytes.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
    if (decodeSegmentHeader(bytes, 'x').ok) missed.push(bit);
  }
  t.same(missed, []);
});

t.test('file names sort by offset and are read back', async (t) => {
  t.equal(segmentName(1234), '0000000000001234.segment');
  t.ok(segmentName(9) < segmentName(Number.MAX_SAFE_INTEGER));
  t.same(parseName(segmentName(77)), { type: 'segment', baseOffset: 77 });
  t.same(parseName(indexName(77)), { type: 'index', baseOffset: 77 });
  t.equal(parseName('0000000000001234.segment.old'), undefined);
  t.equal(parseName('1234.segment'), undefined);
});

t.test('the fill pattern differs by cluster and segment, and no batch begins in it', async (t) => {
  const whole = (fill: Fill) => Buffer.concat(fill.parts(0, 200_000));
  const bytes = whole(new Fill(clusterId, 0));
  t.notOk(bytes.equals(whole(new Fill(clusterId, 1))));
  t.notOk(bytes.equals(whole(new Fill('00'.repeat(32), 0))));
  t.equal(bytes.indexOf('L'), -1);
  for (let at = 0; at < 512; at += 1) if (decodeHeader(bytes, at).ok) t.fail(`at ${at}`);
});

t.test('any part of the fill pattern is what the whole has there', async (t) => {
  const fill = new Fill(clusterId, 5);
  const bytes = Buffer.concat(fill.parts(0, 300_000));
  for (const [from, to] of [
    [0, 1],
    [511, 513],
    [1000, 140_001],
    [65_536, 65_536],
    [131_071, 262_145],
  ] as const) {
    t.ok(Buffer.concat(fill.parts(from, to)).equals(bytes.subarray(from, to)), `${from} to ${to}`);
  }
  t.ok(fill.matches(bytes.subarray(700, 1024), 700));
  t.notOk(fill.matches(bytes.subarray(700, 1024), 701));
});

t.test('an index finds a start that is near, in front of any offset', async (t) => {
  const index = new SegmentIndex(1000);
  const starts: number[] = [];
  for (let at = 1000; at < 5e6; at += 1 + (at % 7919)) {
    index.add(at);
    starts.push(at);
  }
  for (const offset of [1000, 1001, 70_000, 1e6, 4_999_999]) {
    const start = index.startBefore(offset);
    t.ok(starts.includes(start) && start <= offset);
    t.ok(offset - start < 64 * 1024 + 7919, `${offset - start} bytes in front`);
  }
  const saved = index.encode(5e6);
  t.same(SegmentIndex.decode(saved, 1000, 5e6), index);
  t.equal(SegmentIndex.decode(saved, 1000, 5e6 + 1), undefined, 'another end');
  t.equal(SegmentIndex.decode(saved, 1001, 5e6), undefined, 'another segment');
  for (let at = 0; at < saved.length; at += 1) {
    const damaged = Buffer.from(saved);
    damaged.writeUInt8(damaged.readUInt8(at) ^ 1, at);
    if (SegmentIndex.decode(damaged, 1000, 5e6)) t.fail(`byte ${at}`);
    if (SegmentIndex.decode(saved.subarray(0, at), 1000, 5e6)) t.fail(`cut to ${at}`);
  }
  index.cut(70_000);
  t.ok(index.startBefore(4e6) < 70_000);
});

t.test('an index that is missing or damaged is made again', async (t) => {
  const options = { segmentBytesMax: 300_000 };
  for (const damage of ['missing', 'rotten', 'cut'] as const) {
    const disk = new MemoryDisk();
    const batches = new Batches();
    const { log } = await openLog(disk, options);
    log.append(batches.many(400, 4000));
    await log.close();
    const names = await disk.list(`${directory}/log`);
    const indexes = names.filter((name) => name.endsWith('.index'));
    t.ok(indexes.length >= 2);
    for (const name of indexes) {
      const path = `${directory}/log/${name}`;
      if (damage === 'missing') await disk.remove(path);
      else if (damage === 'rotten') disk.flipBit(path, 30, 3);
      else await (await disk.open(path, 'write')).truncate(20);
    }
    const again = await openLog(disk, options);
    for (const batch of batches.all.filter((_, i) => i % 17 === 0)) {
      const page = await again.log.read(batchEnd(batch.header) - 1, 1, batches.endOffset);
      t.equal(page.offset, batch.header.offset);
    }
    t.ok((await readAll(again.log)).equals(batches.bytes), damage);
    await again.log.close();
  }
});

t.test('a damaged batch is refused to its readers, and the others are still read', async (t) => {
  const disk = new MemoryDisk();
  const batches = new Batches();
  const { log, told } = await openLog(disk);
  log.append(batches.many(60, 2000));
  await told.durableUpTo(batches.endOffset);
  const [first, , third] = batches.all;
  const offset = batches.all[1]?.header.offset ?? 0;
  disk.flipBit(`${directory}/log/${segmentName(0)}`, fileHeaderBytes + offset + 97, 2);
  await t.rejects(log.read(offset + 3, 10, batches.endOffset), {
    code: 'DATA_CORRUPT',
    message: `${segmentName(0)}, offset ${offset}: the body's checksum is wrong`,
  });
  await t.rejects(log.batchesFrom(offset, 1e6), { code: 'DATA_CORRUPT' });
  t.ok(
    (await log.read(0, 1, batches.endOffset)).bytes
      .subarray(96)
      .equals(first?.body ?? randomBytes(1)),
  );
  const after = await log.read(third?.header.offset ?? 0, 1, batches.endOffset);
  t.equal(after.offset, third?.header.offset);
  await log.close();
});
