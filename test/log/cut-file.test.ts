/** A last segment whose file was cut from outside: what is gone may have been acknowledged. */
import t from 'tap';
import { fileHeaderBytes, positionOf } from '../../server/log/segment.js';
import {
  baseOf,
  bytesHeld,
  copyOf,
  openMended,
  pathOf,
  someLog,
  truncate,
} from './mend-fixture.js';

t.test('a last segment that was cut is never taken for the end of the log', async (t) => {
  const log = await someLog(40, 2500);
  const last = log.batches.all.at(-1)?.header;
  if (last === undefined) return t.fail('the log is empty');
  const base = baseOf(log, last.offset);
  const inLast = positionOf(base, last.offset);
  const lengths = [1, 511, 512, 3000, fileHeaderBytes - 1, fileHeaderBytes, fileHeaderBytes + 50];
  for (const length of [...lengths, inLast + 1, inLast + 95, inLast + 96]) {
    const disk = log.disk.crash();
    await truncate(disk, pathOf(base), length);
    const opening = await openMended(disk, copyOf(log));
    if (opening.type === 'tail') t.pass(`${length}: nobody can tell`);
    else if (opening.type !== 'opened') t.fail(`${length}: ${opening.type}`);
    else t.ok((await bytesHeld(opening.opened)).equals(log.batches.bytes), `${length}: mended`);
  }
});
