import fc from 'fast-check';
import t from 'tap';
import type { PoolClient, StagingPool } from '../../server/uploads/pool.js';
import { ageMsMax, batchBytes, cost, headerOf, staging, upload } from './staging.js';

const always = () => true;
const ignore = () => {};

/** The bodies in the pool, by sequence. */
function kept(pool: StagingPool, sequences: readonly number[]): number[] {
  return sequences.filter((n) => pool.match(headerOf(upload(n)), always).type === 'matched');
}

/** A client that uploads one batch after another, as far as it is let. */
class Eager {
  readonly #client: PoolClient;
  readonly #log: string[];
  readonly #name: string;
  readonly #sequences: number[];
  waits = false;
  calls = 0;

  constructor(pool: StagingPool, log: string[], name: string, sequences: readonly number[]) {
    this.#log = log;
    this.#name = name;
    this.#sequences = [...sequences];
    this.#client = pool.client(() => {
      this.calls += 1;
      this.waits = false;
      this.run();
    });
  }

  run(count = Infinity): void {
    for (let left = count; left > 0 && !this.waits; left -= 1) {
      const [sequence] = this.#sequences;
      if (sequence === undefined) return;
      this.waits = this.#client.stage(upload(sequence)) === 'full';
      if (this.waits) return;
      this.#sequences.shift();
      this.#log.push(`${this.#name}${sequence}`);
    }
  }

  close(): void {
    this.#client.close();
    this.waits = false;
    this.#sequences.length = 0;
  }
}

t.test("a client's quota is exact", (t) => {
  for (const quota of [{ clientBytesMax: 3 * cost }, { clientBatchesMax: 3 }]) {
    const { pool } = staging(quota);
    const client = pool.client(ignore);
    t.same(
      [1, 2, 3, 4].map((n) => client.stage(upload(n))),
      ['staged', 'staged', 'staged', 'full'],
    );
    t.equal(pool.client(ignore).stage(upload(5)), 'staged', 'and its own');
  }
  const { pool } = staging({ clientBytesMax: 3 * cost - 1 });
  const client = pool.client(ignore);
  t.same(
    [1, 2, 3].map((n) => client.stage(upload(n))),
    ['staged', 'staged', 'full'],
  );
  t.end();
});

t.test('the room of the pool is exact, and nothing unnamed is dropped for something new', (t) => {
  for (const room of [{ bytesMax: 3 * cost }, { batchesMax: 3 }]) {
    const { pool } = staging(room);
    const stagings = [1, 2, 3, 4].map((n) => pool.client(ignore).stage(upload(n)));
    t.same(stagings, ['staged', 'staged', 'staged', 'full']);
    t.match(pool.counters, { heldBatches: 3, heldBytes: 3 * cost });
    t.same(kept(pool, [1, 2, 3, 4]), [1, 2, 3]);
  }
  t.end();
});

t.test('held bodies make room, the oldest first', (t) => {
  for (const room of [{ bytesMax: 3 * cost }, { batchesMax: 3 }]) {
    const { pool } = staging(room);
    const client = pool.client(ignore);
    for (const n of [1, 2, 3]) client.stage(upload(n));
    t.same(kept(pool, [2, 1]), [2, 1]);
    t.equal(client.stage(upload(4)), 'staged');
    t.equal(pool.counters.heldBatches, 3);
    t.same(kept(pool, [1, 2, 3, 4]), [1, 3, 4]);
  }
  t.end();
});

t.test('a body that could never be staged is refused with the limit', (t) => {
  const { pool } = staging({ clientBytesMax: 2 * cost });
  const client = pool.client(ignore);
  const limit = 2 * cost - (cost - upload(1).body.length);
  t.throws(() => client.stage(upload(1, 1, limit + 1)), { code: 'BATCH_TOO_LARGE', limit });
  t.equal(client.stage(upload(1, 1, limit)), 'staged');
  t.end();
});

t.test('a client is called once when its quota has room again', (t) => {
  const { pool, clock } = staging({ clientBatchesMax: 2 });
  const staged: string[] = [];
  const eager = new Eager(pool, staged, '', [1, 2, 3, 4, 5]);
  eager.run();
  t.same(staged, ['1', '2']);
  pool.match(headerOf(upload(2)), always);
  t.same(staged, ['1', '2'], 'not within the call that made room');
  clock.runSoon();
  t.same(staged, ['1', '2', '3']);
  t.equal(eager.calls, 1);
  pool.match(headerOf(upload(1)), () => false);
  clock.runSoon();
  t.same(staged, ['1', '2', '3', '4'], 'a mismatch makes room');
  clock.advance(ageMsMax + 1);
  pool.expire();
  clock.runSoon();
  t.same(staged, ['1', '2', '3', '4', '5'], 'age makes room');
  t.end();
});

t.test('who waits for a quota holds nobody up', (t) => {
  const { pool } = staging({ clientBatchesMax: 1, batchesMax: 3 });
  const staged: string[] = [];
  const clients = ['a', 'b', 'c'].map(
    (name, i) => new Eager(pool, staged, name, [10 * i, 10 * i + 1]),
  );
  for (const client of clients) client.run();
  t.same(staged, ['a0', 'b10', 'c20']);
  t.end();
});

t.test('clients that wait for room in the pool are served in turn', (t) => {
  const { pool, clock } = staging({ batchesMax: 1 });
  const staged: string[] = [];
  pool.client(ignore).stage(upload(999));
  const names = ['a', 'b', 'c'];
  const clients = names.map(
    (name, i) =>
      new Eager(
        pool,
        staged,
        name,
        Array.from({ length: 4 }, (_, k) => 100 * i + k),
      ),
  );
  for (const client of clients) client.run();
  for (let round = 0; round < 12; round += 1) {
    const newest = Number(staged.at(-1)?.slice(1) ?? 999);
    pool.match(headerOf(upload(newest)), always);
    clock.runSoon();
  }
  t.same(staged.map((one) => one.slice(0, 1)).join(''), 'abcabcabcabc');
  t.end();
});

t.test('a newcomer does not overtake those who wait', (t) => {
  const { pool, clock } = staging({ bytesMax: 2 * cost });
  const staged: string[] = [];
  new Eager(pool, staged, 'a', [1, 2]).run();
  const waiting = pool.client(() => staged.push(`b ${waiting.stage(upload(3, 3, cost))}`));
  t.equal(waiting.stage(upload(3, 3, cost)), 'full');
  pool.match(headerOf(upload(1)), always);
  const newcomer = new Eager(pool, staged, 'c', [4]);
  newcomer.run();
  clock.runSoon();
  t.same(staged, ['a1', 'a2'], 'there would be room for it, but not for the one in front of it');
  pool.match(headerOf(upload(2)), always);
  clock.runSoon();
  t.same(staged, ['a1', 'a2', 'b staged']);
  pool.match(headerOf(upload(3, 3, cost)), always);
  clock.runSoon();
  t.same(staged, ['a1', 'a2', 'b staged', 'c4']);
  t.end();
});

t.test('a client that leaves gives its turn to the next', (t) => {
  const { pool, clock } = staging({ batchesMax: 1 });
  const staged: string[] = [];
  new Eager(pool, staged, 'a', [1]).run();
  let calls = 0;
  const idle = pool.client(() => (calls += 1));
  idle.stage(upload(2));
  const next = new Eager(pool, staged, 'c', [3]);
  next.run();
  pool.match(headerOf(upload(1)), always);
  clock.runSoon();
  t.equal(calls, 1);
  pool.match(headerOf(upload(1)), always);
  clock.runSoon();
  t.equal(calls, 1, 'it is not called again before it has tried');
  t.same(staged, ['a1'], 'it may take its time');
  idle.close();
  clock.runSoon();
  t.same(staged, ['a1', 'c3']);
  t.end();
});

t.test('what a client staged outlives it, within the same bounds', (t) => {
  const { pool, clock } = staging({ batchesMax: 2 });
  const client = pool.client(ignore);
  client.stage(upload(1));
  client.stage(upload(2));
  client.close();
  t.throws(() => client.stage(upload(3)), { code: 'INTERNAL' });
  t.equal(pool.client(ignore).stage(upload(3)), 'full');
  t.equal(pool.match(headerOf(upload(1)), always).type, 'matched');
  clock.advance(ageMsMax + 1);
  pool.expire();
  t.match(pool.counters, { expired: 1, heldBatches: 1 });
  t.end();
});

const action = fc.oneof(
  fc.record({ type: fc.constant('run' as const), client: fc.nat(4), count: fc.nat(4) }),
  fc.record({ type: fc.constant('match' as const), sequence: fc.nat(79), fits: fc.boolean() }),
  fc.record({ type: fc.constant('committed' as const), at: fc.nat(80) }),
  fc.record({ type: fc.constant('truncated' as const), at: fc.nat(80) }),
  fc.record({ type: fc.constant('expire' as const), ms: fc.nat(ageMsMax) }),
  fc.record({ type: fc.constant('close' as const), client: fc.nat(4) }),
  fc.record({ type: fc.constant('soon' as const) }),
);

t.test('whatever happens, the bounds hold and nobody waits for ever', (t) => {
  const room = fc.record({
    bytesMax: fc.integer({ min: cost, max: 12 * cost }),
    clientBytesMax: fc.integer({ min: cost, max: 6 * cost }),
    batchesMax: fc.integer({ min: 1, max: 12 }),
    clientBatchesMax: fc.integer({ min: 1, max: 6 }),
  });
  const property = fc.property(room, fc.array(action, { maxLength: 120 }), (options, actions) => {
    const { pool, clock } = staging(options);
    // Two pairs of clients upload the same batches.
    const clients = [0, 1, 2, 2, 3].map((range) => {
      const sequences = Array.from({ length: 20 }, (_, k) => 20 * range + k);
      return new Eager(pool, [], '', sequences);
    });
    const withinBounds = () => {
      const { heldBatches, heldBytes } = pool.counters;
      return heldBytes <= options.bytesMax && heldBatches <= options.batchesMax;
    };
    for (const one of actions) {
      if (one.type === 'run') clients[one.client]?.run(one.count);
      else if (one.type === 'match') pool.match(headerOf(upload(one.sequence)), () => one.fits);
      else if (one.type === 'committed') pool.committed(one.at * batchBytes);
      else if (one.type === 'truncated') pool.truncated(one.at * batchBytes);
      else if (one.type === 'close') clients.splice(one.client, 1)[0]?.close();
      else if (one.type === 'soon') clock.runSoon();
      else {
        clock.advance(one.ms);
        pool.expire();
      }
      if (!withinBounds()) return false;
    }
    for (let i = 0; i < 100; i += 1) {
      clock.advance(ageMsMax + 1);
      pool.expire();
      clock.runSoon();
    }
    const { stagedBatches, expired, mismatched } = pool.counters;
    return clients.every((client) => !client.waits) && expired + mismatched <= stagedBatches;
  });
  fc.assert(property, { numRuns: 500 });
  t.end();
});
