import t from 'tap';
import { flipBytes } from './flips.js';

const seed = Number(process.env['SEED'] ?? 1);
/** A prime, so that all kinds of bytes are met; 1 for each byte of the directory. */
const step = Number(process.env['STEP'] ?? 331);

t.test(
  'a flipped bit is repaired, survived or refused aloud; no wrong byte is served',
  async (t) => {
    const { wrong, ...counts } = await flipBytes({ seed, step, first: seed % step });
    t.comment(JSON.stringify(counts));
    t.same(wrong, []);
    t.ok(counts.flips > 0);
    t.ok(counts.repaired > 0, 'some were repaired from other nodes');
  },
);
