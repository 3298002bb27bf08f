import t from 'tap';
import { Receipts } from '../../cli/receipts.js';
import type { Outcome } from '../../proto/errors.js';
import { LogLogError } from '../../proto/errors.js';

const acknowledged = (offset: number) => ({
  durable: Promise.resolve({ offset, end: offset + 1 }),
});

function failed(outcome: Outcome) {
  const durable = Promise.reject(new LogLogError('DEADLINE', 'too late', { outcome }));
  durable.catch(() => {});
  return { durable };
}

function collect() {
  const told: number[] = [];
  const receipts = new Receipts(async ({ offset }) => {
    told.push(offset);
  });
  return { told, receipts };
}

t.test('acknowledgements are told in the order of the entries', async (t) => {
  const { told, receipts } = collect();
  let acknowledge: (position: { offset: number; end: number }) => void = () => {};
  receipts.add({ durable: new Promise((resolve) => (acknowledge = resolve)) }, 1);
  receipts.add(acknowledged(2), 1);
  await new Promise((resolve) => setImmediate(resolve));
  t.same(told, []);
  t.equal(receipts.waiting, 2);
  acknowledge({ offset: 1, end: 2 });
  await receipts.settled();
  t.same(told, [1, 2]);
  t.equal(receipts.count, 2);
});

t.test('behind a failure nothing is told', async (t) => {
  const { told, receipts } = collect();
  for (const ticket of [acknowledged(1), failed('none'), failed('none')]) receipts.add(ticket, 1);
  await t.rejects(receipts.settled(), { code: 'DEADLINE', outcome: 'none' });
  t.same(told, [1]);
  t.equal(receipts.failed, true);
});

t.test('a failure that something behind it survived has an unknown outcome', async (t) => {
  for (const behind of [acknowledged(3), failed('unknown')]) {
    const { told, receipts } = collect();
    receipts.add(failed('none'), 1);
    receipts.add(behind, 1);
    await t.rejects(receipts.settled(), { code: 'DEADLINE', outcome: 'unknown' });
    t.same(told, []);
  }
});

t.test('a failure to tell is a failure', async (t) => {
  const receipts = new Receipts(async () => {
    throw new Error('the disk of the output is full');
  });
  receipts.add(acknowledged(1), 1);
  await t.rejects(receipts.settled(), /full/);
});
