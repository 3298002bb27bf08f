import t from 'tap';
import type { RandomSource } from '../../proto/clock.js';
import { seededRandom } from '../log/seeded-random.js';
import type { Anomaly } from './anomalies.js';
import { contentAnomalies } from './anomalies.js';
import { checkHistory } from './checker.js';
import { disorders } from './disorders.js';
import type { History } from './history.js';
import { NoPlace } from './planting.js';
import { randomHistory } from './random-history.js';

const anomalies = [...contentAnomalies, ...disorders];
const historiesPerAnomaly = 10;
const size = { operations: 1000, sessions: 8, delayMsMax: 10 };

function plantIfPossible(
  history: History,
  random: RandomSource,
  plant: Anomaly['plant'],
): History | undefined {
  try {
    return plant(history, random);
  } catch (error) {
    if (error instanceof NoPlace) return undefined;
    throw error;
  }
}

for (const [index, { name, kind, plant }] of anomalies.entries()) {
  t.test(`caught: ${name}`, async (t) => {
    let planted = 0;
    for (let seed = 1; planted < historiesPerAnomaly && seed <= 100; seed += 1) {
      const random = seededRandom(1000 * index + seed);
      const history = randomHistory(random, size);
      const broken = plantIfPossible(history, random, plant);
      if (broken === undefined) continue;
      planted += 1;
      t.same(checkHistory(history), [], `seed ${seed}: nothing is wrong before`);
      const kinds = checkHistory(broken).map((violation) => violation.kind);
      t.ok(kinds.includes(kind), `seed ${seed}: ${kind}, told ${[...new Set(kinds)].join(', ')}`);
    }
    t.equal(planted, historiesPerAnomaly, 'enough histories have a place for it');
  });
}

t.test('the anomalies are many and of every kind', async (t) => {
  const kinds = new Set(anomalies.map(({ kind }) => kind));
  t.comment(`${anomalies.length} anomalies, called by ${kinds.size} names`);
  t.ok(anomalies.length >= 20);
});
