/** `npm run sim -- --flips 1` does the same with every byte. */
import t from 'tap';
import { flipBytes } from './flips.js';

/** A prime, so that all kinds of bytes are met. */
const step = 331;

t.test(
  'a flipped bit is repaired, survived or refused aloud; no wrong byte is served',
  async (t) => {
    const { wrong, ...counts } = await flipBytes({ seed: 1, step, first: 1 });
    t.comment(JSON.stringify(counts));
    t.same(wrong, []);
    t.ok(counts.flips > 0);
    t.ok(counts.repaired > 0, 'some were repaired from other nodes');
  },
);
