import t from 'tap';
import { seededRandom } from '../log/seeded-random.js';
import { checkHistory } from './checker.js';
import { randomHistory } from './random-history.js';

t.test('a million operations are checked', async (t) => {
  const size = { operations: 1_000_000, sessions: 40, delayMsMax: 50 };
  const history = randomHistory(seededRandom(1), size);
  t.comment(`${history.operations.length} operations, ${history.final.length} batches`);
  t.same(checkHistory(history), []);
});
