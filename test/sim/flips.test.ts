/** `--step` or STEP, and `--seed` or SEED, ask for other bytes than the usual ones. */
import { Command } from 'commander';
import t from 'tap';
import { countRange, number, seedRange } from '../command-line.js';
import { flipBytes } from './flips.js';

const { seed, step } = new Command('flips')
  .addOption(number('--seed <number>', 'decides on the bits', seedRange, 1).env('SEED'))
  .addOption(
    number('--step <bytes>', 'flips a bit in every so many-th byte', countRange)
      .env('STEP')
      // A prime, so that all kinds of bytes are met.
      .default(331),
  )
  .parse()
  .opts<{ readonly seed: number; readonly step: number }>();

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
