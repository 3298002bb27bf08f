import t from 'tap';
import { buildBatch, noProducer } from '../../proto/batch.js';
import { bodyChecksum } from '../../proto/checksum.js';
import { headerBytes } from '../../proto/limits.js';
import { Fill } from '../../server/log/fill.js';
import { fileHeaderBytes, sectorBytes, segmentName } from '../../server/log/segment.js';
import { Batches, clusterId, directory, openLog } from './log-fixture.js';
import { MemoryDisk } from './memory-disk.js';

const path = `${directory}/log/${segmentName(0)}`;
const fill = new Fill(clusterId, 0);
const framing = headerBytes + 4;

/** A log of two batches, closed, whose second begins at `position` of its file. */
async function logWith(position: number, second: (batches: Batches) => void) {
  const disk = new MemoryDisk();
  const batches = new Batches(3);
  batches.next(position - fileHeaderBytes - framing);
  second(batches);
  const { log } = await openLog(disk);
  log.append(batches.all);
  await log.close();
  return { disk, batches, offset: batches.all[1]?.header.offset ?? 0 };
}

async function overwrite(disk: MemoryDisk, position: number, bytes: Buffer): Promise<void> {
  const file = await disk.open(path, 'write');
  await file.write([bytes], position);
  await file.close();
}

function patternAt(from: number, to: number): Buffer {
  return Buffer.concat(fill.parts(from, to));
}

t.test('a batch of which only the last few bytes were lost is cut', async (t) => {
  for (const count of [1, 2, 3, 7]) {
    const end = 8192 + count;
    const { disk, offset } = await logWith(5000, (batches) => batches.next(end - 5000 - framing));
    await overwrite(disk, 8192, patternAt(8192, 8192 + sectorBytes));
    const { log } = await openLog(disk);
    t.equal(log.endOffset, offset, `${count} bytes`);
    await log.close();
  }
});

t.test('a header of which only the last few bytes were lost is cut', async (t) => {
  for (const count of [1, 2, 3, 50]) {
    const position = 8192 - headerBytes + count;
    const { disk, offset } = await logWith(position, (batches) => batches.next(1000));
    await overwrite(disk, 8192, patternAt(8192, 8192 + sectorBytes));
    const { log } = await openLog(disk);
    t.equal(log.endOffset, offset, `${count} bytes`);
    await log.close();
  }
});

t.test('last bytes that are the pattern by chance do not make rot a torn write', async (t) => {
  for (const count of [1, 2]) {
    const end = 8192 + count;
    const { disk, offset } = await logWith(5000, (batches) => {
      const body = Buffer.alloc(end - 5000 - headerBytes, 7);
      patternAt(8192, end).copy(body, body.length - count);
      const fields = {
        kind: 'data',
        offset: batches.endOffset,
        term: 1,
        timeMs: 5000,
        entryCount: 1,
        producer: noProducer,
        epoch: 0,
        sequence: 2,
        bodyChecksum: bodyChecksum(body),
      } as const;
      batches.all.push(buildBatch(fields, body, batches.chain));
    });
    const sound = await openLog(disk);
    t.equal(sound.log.endOffset, offset + end - 5000);
    await sound.log.close();
    disk.flipBit(path, 6000);
    await t.rejects(openLog(disk), { code: 'DATA_CORRUPT' }, `${count} bytes`);
  }
});

t.test('filling that had not arrived behind the end is no damage', async (t) => {
  const { disk, batches } = await logWith(5000, (made) => made.next(8192 - 5000 - framing));
  const file = await disk.open(path, 'write');
  await file.truncate(8192);
  await file.truncate(8192 + 2 * sectorBytes);
  await file.write(fill.parts(8192 + sectorBytes, 8192 + 2 * sectorBytes), 8192 + sectorBytes);
  await file.close();
  const { log } = await openLog(disk);
  t.equal(log.endOffset, batches.endOffset);
  await log.close();
});

t.test('zeros in the place of a batch are rot', async (t) => {
  const { disk } = await logWith(5000, (batches) => batches.next(3000));
  await overwrite(disk, 5120, Buffer.alloc(8 * sectorBytes));
  await t.rejects(openLog(disk), { code: 'DATA_CORRUPT', message: /checksum is wrong/ });
});
