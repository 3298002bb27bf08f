import t from 'tap';
import { seededRandom, TestClock } from './test-clock.js';

t.test('timers run by time, then as they were set, and not when cancelled', async (t) => {
  const clock = new TestClock();
  const random = seededRandom(3);
  const ran: { readonly atMs: number; readonly order: number }[] = [];
  const cancelled = new Set<number>();
  for (let order = 0; order < 1000; order += 1) {
    const atMs = Math.floor(random.fraction() * 100);
    const timer = clock.after(atMs, () => ran.push({ atMs, order }));
    if (random.fraction() < 0.3) {
      timer.cancel();
      cancelled.add(order);
    }
  }
  await clock.pass(100);
  t.equal(ran.length, 1000 - cancelled.size);
  t.notOk(ran.some(({ order }) => cancelled.has(order)));
  t.same(
    ran,
    ran.toSorted((a, b) => a.atMs - b.atMs || a.order - b.order),
  );
});

t.test('all that promises can do is done before the next timer, however long', async (t) => {
  const clock = new TestClock();
  const seen: string[] = [];
  const promises = async () => {
    for (let i = 0; i < 1000; i += 1) await Promise.resolve();
    seen.push('promises');
  };
  clock.after(1, () => void promises());
  clock.after(1, () => seen.push('timer'));
  await clock.pass(2);
  t.same(seen, ['promises', 'timer']);
});

t.test('a promise that nothing settles is told to hang', async (t) => {
  const clock = new TestClock();
  await t.rejects(clock.run(new Promise(() => {})), /hangs at 0 ms/);
});
