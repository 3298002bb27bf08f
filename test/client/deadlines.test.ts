import t from 'tap';
import { Deadlines } from '../../client/deadlines.js';
import type { Clock, Timer } from '../../proto/clock.js';
import { seededRandom, TestClock } from './test-clock.js';

/** The clock, and how many of its timers are pending. */
class CountingClock implements Pick<Clock, 'after' | 'monotonicMs'> {
  readonly clock = new TestClock();
  readonly #pending = new Set<Timer>();

  get pending(): number {
    return this.#pending.size;
  }

  monotonicMs(): number {
    return this.clock.monotonicMs();
  }

  after(delayMs: number, run: () => void): Timer {
    const timer = this.clock.after(delayMs, () => {
      this.#pending.delete(timer);
      run();
    });
    this.#pending.add(timer);
    return {
      cancel: () => {
        this.#pending.delete(timer);
        timer.cancel();
      },
    };
  }
}

t.test(
  'each deadline comes at its time unless it is cancelled, with one timer for all',
  async (t) => {
    const counting = new CountingClock();
    const { clock } = counting;
    const deadlines = new Deadlines(counting);
    const random = seededRandom(5);
    const upTo = (max: number) => 1 + Math.floor(random.fraction() * max);
    const wanted: string[] = [];
    const rung: string[] = [];
    for (let i = 0; i < 2000; i += 1) {
      const dueMs = clock.monotonicMs() + upTo(50);
      const deadline = deadlines.after(dueMs - clock.monotonicMs(), () => {
        rung.push(`${i} at ${clock.monotonicMs()}`);
      });
      if (random.fraction() < 0.7) clock.after(upTo(60), () => deadline.cancel());
      else wanted.push(`${i} at ${dueMs}`);
      if (counting.pending !== 1) t.fail(`${counting.pending} timers`);
      if (i % 10 === 0) await clock.pass(1);
    }
    await clock.pass(60);
    t.ok(
      wanted.every((one) => rung.includes(one)),
      'none is missed',
    );
    t.equal(new Set(rung).size, rung.length, 'none comes twice');
    t.equal(counting.pending, 0, 'nothing is left behind');
  },
);

t.test('nothing is pending once all are cancelled, in whatever order', async (t) => {
  const counting = new CountingClock();
  const deadlines = new Deadlines(counting);
  for (const order of ['012', '021', '102', '120', '201', '210']) {
    const pending = [3, 1, 2].map((delayMs) => deadlines.after(delayMs, () => t.fail('it rang')));
    for (const index of order) pending[Number(index)]?.cancel();
    t.equal(counting.pending, 0);
    await counting.clock.pass(5);
  }
});

t.test('one that rings may cancel another that is due, and begin a new one', async (t) => {
  const clock = new TestClock();
  const deadlines = new Deadlines(clock);
  const rung: string[] = [];
  const other: Timer[] = [];
  deadlines.after(5, () => {
    rung.push('first');
    other[0]?.cancel();
    deadlines.after(1, () => rung.push('new'));
  });
  other.push(deadlines.after(5, () => rung.push('other')));
  deadlines.after(5, () => rung.push('last'));
  await clock.pass(10);
  t.same(rung, ['first', 'last', 'new']);
});
