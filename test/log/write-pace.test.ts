import t from 'tap';
import { WritePace } from '../../server/log/write-pace.js';

/** Of so many short writes that take so long: what share the main thread waited for. */
function shareWaitedFor(pace: WritePace, writes: number, durationMs: number): number {
  let waitedFor = 0;
  for (let i = 0; i < writes; i += 1) {
    if (!pace.mayBlock()) continue;
    waitedFor += 1;
    pace.waited(durationMs);
  }
  return waitedFor / writes;
}

t.test('the main thread waits for a quick disk, and for one slow write of it', async (t) => {
  const pace = new WritePace();
  t.equal(shareWaitedFor(pace, 1000, 0.2), 1);
  t.equal(shareWaitedFor(pace, 1, 10), 1);
  t.equal(shareWaitedFor(pace, 1000, 0.2), 1);
});

t.test('of a slow disk it waits for one write in hundreds, until it is quick again', async (t) => {
  const pace = new WritePace();
  t.ok(shareWaitedFor(pace, 10_000, 8) < 0.01);
  shareWaitedFor(pace, 300, 0.2);
  t.equal(shareWaitedFor(pace, 1000, 0.2), 1);
});
