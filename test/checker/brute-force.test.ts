/**
 * The checker against a search that tries everything. `--seeds` or SEEDS asks for other histories
 * than the usual ones.
 */
import { Command } from 'commander';
import t from 'tap';
import type { Seeds } from '../command-line.js';
import { seeds } from '../command-line.js';
import { seededRandom } from '../log/seeded-random.js';
import { couldHaveHappened } from './brute-force.js';
import { checkHistory } from './checker.js';
import { upTo } from './choice.js';
import type { History } from './history.js';
import { mutate } from './mutation.js';
import { randomHistory } from './random-history.js';

const { first: firstSeed, last: lastSeed } = new Command('brute-force')
  .addOption(
    seeds('--seeds <first-last>', 'a small history for each of these seeds')
      .env('SEEDS')
      .default({ first: 1, last: 120_000 }, '1-120000'),
  )
  .parse()
  .opts<{ readonly seeds: Seeds }>().seeds;
const operationsMax = 8;
const mutationsMax = 3;

function smallHistory(seed: number): History {
  const random = seededRandom(seed);
  const size = {
    operations: 1 + upTo(operationsMax - 1, random),
    sessions: 1 + upTo(3, random),
    delayMsMax: upTo(4, random),
  };
  let history = randomHistory(random, size);
  for (let left = upTo(mutationsMax, random); left > 0; left -= 1) {
    const mutant = mutate(history, random);
    if (isWellFormed(mutant)) history = mutant;
  }
  return history;
}

/** Whoever writes a history down sees to it: who has an answer has returned, and then goes on. */
function isWellFormed({ operations }: History): boolean {
  return operations.every((first, n) => {
    if (first.type === 'append') {
      return first.outcome.type === 'unknown' || first.returnedAt !== null;
    }
    return operations
      .slice(n + 1)
      .filter(({ type, session }) => type !== 'append' && session === first.session)
      .every(({ calledAt }) => (first.returnedAt ?? first.calledAt) <= calledAt);
  });
}

t.test('the checker and a search that tries everything agree', async (t) => {
  const counts = { valid: 0, broken: 0 };
  const kinds = new Map<string, number>();
  for (let seed = firstSeed; seed <= lastSeed; seed += 1) {
    const history = smallHistory(seed);
    const violations = checkHistory(history);
    const isValid = couldHaveHappened(history);
    if (isValid !== (violations.length === 0)) {
      t.same(violations, isValid ? [] : 'something that cannot have happened', `seed ${seed}`);
      t.comment(JSON.stringify(history));
      return;
    }
    counts[isValid ? 'valid' : 'broken'] += 1;
    const [only, ...others] = new Set(violations.map(({ kind }) => kind));
    if (only !== undefined && others.length === 0) kinds.set(only, (kinds.get(only) ?? 0) + 1);
  }
  t.comment(`${counts.valid} valid histories, ${counts.broken} broken ones`);
  t.comment(`broken in one way alone: ${[...kinds].map((each) => each.join(' ')).join(', ')}`);
  // A few chosen seeds need not hold both.
  if (lastSeed - firstSeed < 1000) return;
  t.ok(Math.min(counts.valid, counts.broken) > (lastSeed - firstSeed) / 5, 'enough of both');
});

t.test('what is made as valid is valid', async (t) => {
  for (let seed = 1; seed <= 300; seed += 1) {
    const random = seededRandom(seed);
    const size = { operations: 300, sessions: 1 + upTo(12, random), delayMsMax: upTo(20, random) };
    t.same(checkHistory(randomHistory(random, size)), [], `seed ${seed}`);
  }
});
