import t from 'tap';
import type { BatchHeader } from '../../proto/batch.js';
import { candidatesMax } from '../../server/uploads/pool.js';
import { bodyBytes, cost, headerOf, staging, upload } from './staging.js';

const always = () => true;
const ignore = () => {};

t.test('a reference finds the body that was staged for it', (t) => {
  const { pool } = staging();
  const client = pool.client(ignore);
  const [one, two] = [upload(1), upload(2)];
  t.equal(client.stage(one), 'staged');
  t.equal(client.stage(two), 'staged');
  const asked: Buffer[] = [];
  const match = pool.match(headerOf(two), (body) => asked.push(body) > 0);
  t.same(match, { type: 'matched', body: two.body });
  t.same(asked, [two.body], 'by its digest');
  t.same(pool.match(headerOf(upload(3)), always), { type: 'missing' });
  t.end();
});

t.test('a reference that comes again finds the body again', (t) => {
  const { pool } = staging();
  const client = pool.client(ignore);
  client.stage(upload(1));
  t.equal(pool.match(headerOf(upload(1)), always).type, 'matched');
  t.equal(pool.match(headerOf(upload(1)), always).type, 'matched');
  t.equal(pool.match(headerOf(upload(1), 5000), always).type, 'matched', 'also at another offset');
  t.equal(pool.counters.heldBytes, cost);
  t.end();
});

t.test('nothing but the same header fits', (t) => {
  const header = headerOf(upload(1));
  const others: BatchHeader[] = [
    { ...header, kind: 'fence' },
    { ...header, bodyBytes: header.bodyBytes + 1 },
    { ...header, bodyChecksum: header.bodyChecksum ^ 1 },
    { ...header, entryCount: 2 },
  ];
  for (const other of others) {
    const { pool } = staging();
    pool.client(ignore).stage(upload(1));
    t.same(pool.match(other, always), { type: 'mismatched' });
  }
  const { pool } = staging();
  pool.client(ignore).stage(upload(1));
  t.same(pool.match({ ...header, producer: '00000000000000bb' }, always), { type: 'missing' });
  t.same(pool.match({ ...header, epoch: 97 }, always), { type: 'missing' });
  t.end();
});

t.test('a body whose digest is not the one asked for is dropped and counted', (t) => {
  const { pool } = staging();
  pool.client(ignore).stage(upload(1, 7));
  pool.client(ignore).stage(upload(1, 8));
  t.same(
    pool.match(headerOf(upload(1, 7)), () => false),
    { type: 'mismatched' },
  );
  t.match(pool.counters, { mismatched: 2, mismatchedBytes: 2 * bodyBytes, heldBytes: 0 });
  t.same(pool.match(headerOf(upload(1, 7)), always), { type: 'missing' });
  t.end();
});

t.test('two clients under one id are both kept, up to a few', (t) => {
  const { pool } = staging();
  const stagings = Array.from({ length: candidatesMax + 1 }, (_, i) =>
    pool.client(ignore).stage(upload(1, i)),
  );
  t.same(stagings.slice(0, candidatesMax), Array(candidatesMax).fill('staged'));
  t.equal(stagings[candidatesMax], 'dropped');
  t.match(pool.counters, { mismatched: 1, heldBatches: candidatesMax });
  const second = upload(1, 1);
  t.same(
    pool.match(headerOf(second), (body) => body.equals(second.body)),
    {
      type: 'matched',
      body: second.body,
    },
  );
  t.end();
});

t.test('the same body twice is one body, of any client', (t) => {
  const { pool, clock } = staging();
  const client = pool.client(ignore);
  client.stage(upload(1));
  clock.advance(900);
  t.equal(client.stage(upload(1)), 'staged');
  t.equal(pool.client(ignore).stage(upload(1)), 'staged');
  t.match(pool.counters, { heldBatches: 1, heldBytes: cost, stagedBatches: 1 });
  clock.advance(900);
  pool.expire();
  t.equal(pool.counters.heldBatches, 1, 'and its time begins again');
  t.end();
});

t.test('what waits too long for its reference expires, what is held does not', (t) => {
  const { pool, clock } = staging();
  const client = pool.client(ignore);
  client.stage(upload(1));
  client.stage(upload(2));
  pool.match(headerOf(upload(2)), always);
  clock.advance(500);
  client.stage(upload(3));
  clock.advance(500);
  pool.expire();
  t.equal(pool.counters.expired, 0, 'not before its time');
  clock.advance(1);
  pool.expire();
  t.match(pool.counters, { expired: 1, expiredBytes: bodyBytes, heldBatches: 2 });
  t.equal(pool.match(headerOf(upload(1)), always).type, 'missing');
  t.equal(pool.match(headerOf(upload(3)), always).type, 'matched');
  t.end();
});

t.test('held bodies are released when their batches are committed', (t) => {
  const { pool } = staging();
  const client = pool.client(ignore);
  for (const sequence of [1, 2, 3]) {
    client.stage(upload(sequence));
    pool.match(headerOf(upload(sequence)), always);
  }
  pool.committed(2 * 196 + 195);
  t.equal(pool.counters.heldBatches, 2, 'a batch that is not all committed is kept');
  pool.committed(2 * 196 + 196);
  t.equal(pool.counters.heldBatches, 1);
  pool.committed(1_000_000);
  t.equal(pool.counters.heldBytes, 0);
  t.end();
});

t.test('after a truncation the bodies can be matched again', (t) => {
  const { pool, clock } = staging();
  const client = pool.client(ignore);
  for (const sequence of [1, 2, 3]) {
    client.stage(upload(sequence));
    pool.match(headerOf(upload(sequence)), always);
  }
  clock.advance(5000);
  pool.truncated(2 * 196);
  pool.expire();
  t.equal(pool.counters.expired, 0, 'their time begins again');
  t.equal(pool.match(headerOf(upload(2), 4000), always).type, 'matched');
  pool.committed(2 * 196);
  t.equal(pool.counters.heldBatches, 2, 'the first one was released');
  clock.advance(1001);
  pool.expire();
  t.match(pool.counters, { expired: 1, heldBatches: 1 }, 'nothing asked for the third one');
  t.end();
});

t.test('everything is counted', (t) => {
  const { pool } = staging();
  const client = pool.client(ignore);
  client.stage(upload(1));
  client.stage(upload(2));
  pool.match(headerOf(upload(1)), always);
  pool.countMissing(10);
  pool.countInlined(20);
  pool.countInlined(30);
  t.same(pool.counters, {
    stagedBatches: 2,
    stagedBytes: 2 * bodyBytes,
    matchedBatches: 1,
    matchedBytes: bodyBytes,
    inlinedBatches: 2,
    inlinedBytes: 50,
    missing: 1,
    missingBytes: 10,
    mismatched: 0,
    mismatchedBytes: 0,
    expired: 0,
    expiredBytes: 0,
    heldBatches: 2,
    heldBytes: 2 * cost,
  });
  t.end();
});

t.test('a small body does not keep the message that it came in', (t) => {
  const { pool } = staging();
  const message = Buffer.alloc(1_000_000, 5);
  const body = message.subarray(1000, 1000 + bodyBytes);
  const staged = { ...upload(1, 5), body };
  pool.client(ignore).stage(staged);
  const match = pool.match(headerOf(staged), always);
  t.ok(match.type === 'matched' && match.body.equals(body));
  t.ok(match.type === 'matched' && match.body.buffer.byteLength === bodyBytes);
  t.end();
});
