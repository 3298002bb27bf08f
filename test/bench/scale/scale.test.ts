import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { measureReaders } from './readers.js';
import { measureSegments } from './segments.js';
import { measureSizes } from './sizes.js';

/** Long enough for some entries, one after the other, on a disk that is busy with other tests. */
const small = { seconds: 4, segments: 20, counts: [3], waiters: 10 };

for (const measure of [measureSegments, measureSizes, measureReaders]) {
  t.test(`${measure.name} says what it was asked for, and leaves nothing behind`, async (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'loglog-scale-'));
    t.teardown(() => rmSync(directory, { recursive: true, force: true }));
    const rows = await measure({ ...small, directory });
    t.ok(rows.length >= 2);
    for (const [what, result] of rows) {
      t.match(result, /\d/, what);
      t.notMatch(result, /NaN|Infinity/, what);
    }
  });
}
