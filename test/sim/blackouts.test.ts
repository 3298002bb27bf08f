/** `npm run sim -- --blackouts 10000` does the same for longer. */
import t from 'tap';
import { runBlackouts } from './blackouts.js';

const count = 150;

t.test('all nodes lose power at once, and nothing that was acknowledged is lost', async (t) => {
  const { acknowledged, lost } = await runBlackouts(1, count);
  t.comment(`${count} blackouts, ${acknowledged} acknowledged`);
  t.ok(acknowledged > count, 'there was something to lose');
  t.same(lost, []);
});
