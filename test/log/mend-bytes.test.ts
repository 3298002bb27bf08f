import t from 'tap';
import { headerBytes } from '../../proto/limits.js';
import { fileHeaderBytes, sectorBytes } from '../../server/log/segment.js';
import { bytesHeld, copyOf, differences, openMended, pathOf, someLog } from './mend-fixture.js';

/** Of a segment's header the most is zeros, each of which counts as much as the others. */
function nextPosition(position: number): number {
  const inZeros = position >= 80 && position + 256 < fileHeaderBytes - 4;
  return position + (inZeros ? 256 : 1);
}

t.test('each byte of a small log: put right, or told', async (t) => {
  const log = await someLog(9, 200, { segmentBytesMax: 900 });
  t.ok(log.bases.length > 1);
  const donor = copyOf(log);
  const outcomes = { sound: 0, mended: 0, tail: 0 };
  for (const base of log.bases) {
    const { length } = log.disk.contentOf(pathOf(base));
    for (let position = 0; position < length; position = nextPosition(position)) {
      const rotten = log.disk.crash();
      rotten.flipBit(pathOf(base), position, position % 8);
      const opening = await openMended(rotten, donor, { segmentBytesMax: 900 });
      if (opening.type === 'unproven') {
        t.fail(`position ${position} of ${base}`);
      } else if (opening.type === 'tail') {
        outcomes.tail += 1;
      } else {
        outcomes[opening.ranges > 0 ? 'mended' : 'sound'] += 1;
        const held = await bytesHeld(opening.opened);
        const wrong = await differences(log, rotten);
        if (!held.equals(log.batches.bytes) || wrong.length > 0) t.fail(`${position} of ${base}`);
      }
    }
  }
  t.ok(outcomes.mended >= log.batches.endOffset - headerBytes, JSON.stringify(outcomes));
  // The header of the last batch, and the pattern in the sector that the log ends in.
  t.ok(
    outcomes.tail >= headerBytes && outcomes.tail < headerBytes + sectorBytes,
    JSON.stringify(outcomes),
  );
});
