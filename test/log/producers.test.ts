import type { Test } from 'tap';
import t from 'tap';
import type { BatchHeader } from '../../proto/batch.js';
import { batchEnd, noProducer } from '../../proto/batch.js';
import { producerBatchesMax, producersMax } from '../../proto/limits.js';
import type { ProducerFrame, Verdict } from '../../server/log/producers.js';
import { Producers } from '../../server/log/producers.js';

const id = (n: number) => n.toString(16).padStart(16, '0');
const alice = id(0xa11ce);

/** A log of headers whose only reader is a producer table. */
class Headers {
  readonly producers = new Producers();
  #end = 0;

  add(fields: Partial<BatchHeader>): BatchHeader {
    const header: BatchHeader = {
      kind: 'data',
      offset: this.#end,
      term: 1,
      timeMs: 0,
      bodyBytes: 10,
      entryCount: 1,
      producer: alice,
      epoch: 0,
      sequence: 1,
      bodyChecksum: 7,
      chain: '',
      ...fields,
    };
    this.producers.apply(header);
    this.#end = batchEnd(header);
    return header;
  }

  open(producer = alice, name = 1000): number {
    return this.add({ kind: 'open', producer, sequence: name, bodyBytes: 0, entryCount: 0 }).offset;
  }
}

function frame(fields: Partial<ProducerFrame>): ProducerFrame {
  return {
    kind: 'data',
    epoch: 0,
    sequence: 1,
    follows: 0,
    bodyChecksum: 7,
    bodyBytes: 10,
    entryCount: 1,
    ...fields,
  };
}

function refused(t: Test, verdict: Verdict, code: string, outcome: string, names?: string): void {
  const error = { code, outcome, ...(names !== undefined && { message: names }) };
  t.match(verdict, { type: 'refuse', error });
}

t.test('a producer that the log does not know is expired, whatever its sequence', (t) => {
  const { producers } = new Headers();
  for (const sequence of [1, 2, 2 ** 53 - 1]) {
    const verdict = producers.decide(alice, frame({ sequence }));
    refused(t, verdict, 'PRODUCER_EXPIRED', 'unknown', alice);
  }
  t.end();
});

t.test('opening is ordered, and its retry is the same opening', (t) => {
  const log = new Headers();
  const opening = frame({ kind: 'open', sequence: 1000, bodyBytes: 0, entryCount: 0 });
  t.same(log.producers.decide(alice, opening), { type: 'order' });
  log.add({ producer: noProducer });
  const epoch = log.open(alice, 1000);
  t.same(log.producers.decide(alice, opening), {
    type: 'duplicate',
    offset: epoch,
    end: epoch + 96,
  });
  log.add({ epoch, sequence: 1 });
  t.equal(log.producers.decide(alice, opening).type, 'duplicate', 'also after it has written');
  t.same(log.producers.decide(alice, { ...opening, sequence: 1001 }), { type: 'order' });
  t.end();
});

t.test('opening again fences the older epoch off', (t) => {
  const log = new Headers();
  const older = log.open(alice, 1);
  log.add({ epoch: older, sequence: 1 });
  const newer = log.open(alice, 2);
  const verdict = log.producers.decide(alice, frame({ epoch: older, sequence: 2, follows: 1 }));
  refused(t, verdict, 'EPOCH_FENCED', 'unknown', String(newer));
  const first = log.producers.decide(alice, frame({ epoch: newer, sequence: 1 }));
  t.same(first, { type: 'order' }, 'sequences begin again');
  const never = log.producers.decide(alice, frame({ epoch: newer + 1 }));
  refused(t, never, 'PRODUCER_EXPIRED', 'unknown');
  t.end();
});

t.test('sequences may have holes where a batch was refused, but none that nobody knows of', (t) => {
  const log = new Headers();
  const epoch = log.open();
  const decide = (sequence: number, follows: number) =>
    log.producers.decide(alice, frame({ epoch, sequence, follows }));
  t.same(decide(1, 0), { type: 'order' });
  t.same(decide(5, 0), { type: 'order' }, 'one to four were refused');
  refused(t, decide(2, 1), 'SEQUENCE_GAP', 'none', 'is 0');
  log.add({ epoch, sequence: 5 });
  t.same(decide(6, 5), { type: 'order' });
  t.same(decide(9, 5), { type: 'order' });
  refused(t, decide(7, 6), 'SEQUENCE_GAP', 'none', 'is 5');
  refused(t, decide(7, 4), 'SEQUENCE_GAP', 'none', 'is 5');
  refused(t, decide(3, 0), 'SEQUENCE_REUSED', 'none', 'passed over');
  t.end();
});

t.test('a retry gets the place of the original', (t) => {
  const log = new Headers();
  const epoch = log.open();
  const first = log.add({ epoch, sequence: 1 });
  const fence = log.add({ epoch, sequence: 2, kind: 'fence', bodyChecksum: 8 });
  const duplicate = (header: BatchHeader) => ({
    type: 'duplicate',
    offset: header.offset,
    end: batchEnd(header),
  });
  t.same(log.producers.decide(alice, frame({ epoch, sequence: 1 })), duplicate(first));
  t.same(
    log.producers.decide(alice, frame({ epoch, sequence: 2, kind: 'fence', bodyChecksum: 8 })),
    duplicate(fence),
  );
  t.end();
});

t.test('a sequence is never used for other bytes', (t) => {
  const log = new Headers();
  const epoch = log.open();
  log.add({ epoch, sequence: 1 });
  const others: Partial<ProducerFrame>[] = [
    { bodyChecksum: 8 },
    { bodyBytes: 11 },
    { entryCount: 2 },
    { kind: 'fence' },
  ];
  for (const other of others) {
    const verdict = log.producers.decide(alice, frame({ epoch, sequence: 1, ...other }));
    refused(t, verdict, 'SEQUENCE_REUSED', 'none', 'other bytes');
  }
  t.end();
});

t.test('the newest batches are remembered, and of older ones nothing is claimed', (t) => {
  const log = new Headers();
  const epoch = log.open();
  const headers = Array.from({ length: producerBatchesMax + 2 }, (_, i) =>
    log.add({ epoch, sequence: i + 1 }),
  );
  for (const { sequence } of headers) {
    const verdict = log.producers.decide(alice, frame({ epoch, sequence }));
    if (sequence <= 2) refused(t, verdict, 'SEQUENCE_REUSED', 'unknown', 'not known');
    else t.match(verdict, { type: 'duplicate', offset: headers[sequence - 1]?.offset });
  }
  t.end();
});

t.test('the producer that wrote least recently is forgotten first', (t) => {
  const log = new Headers();
  const epochs = Array.from({ length: producersMax }, (_, i) => log.open(id(i + 1)));
  log.add({ producer: id(1), epoch: epochs[0] ?? 0, sequence: 1 });
  t.equal(log.producers.count, producersMax);
  log.open(id(producersMax + 1));
  t.equal(log.producers.count, producersMax);
  const next = (n: number) =>
    log.producers.decide(
      id(n),
      frame({ epoch: epochs[n - 1] ?? 0, sequence: 2, follows: n === 1 ? 1 : 0 }),
    );
  refused(t, next(2), 'PRODUCER_EXPIRED', 'unknown');
  t.same(next(1), { type: 'order' });
  t.same(next(3), { type: 'order' });
  t.end();
});

t.test('whom a copy forgets does not depend on how it was made', (t) => {
  const log = new Headers();
  const epochs = Array.from({ length: producersMax }, (_, i) => log.open(id(i + 1)));
  for (let n = producersMax; n > 0; n -= 3) {
    log.add({ producer: id(n), epoch: epochs[n - 1] ?? 0, sequence: 1 });
  }
  const copies = [
    log.producers.clone(),
    Producers.fromJson(JSON.parse(JSON.stringify(log.producers.toJson()))),
  ];
  for (let n = 1; n <= 100; n += 1) {
    const opened = log.add({ kind: 'open', producer: id(10 * producersMax + n), sequence: 5 });
    for (const copy of copies) copy.apply(opened);
  }
  for (const copy of copies) t.same(copy.toJson(), log.producers.toJson());
  t.end();
});

t.test('a clone goes its own way', (t) => {
  const log = new Headers();
  const epoch = log.open();
  log.add({ epoch, sequence: 1 });
  const before = JSON.stringify(log.producers.toJson());
  const clone = log.producers.clone();
  log.add({ epoch, sequence: 2 });
  t.equal(JSON.stringify(clone.toJson()), before);
  t.same(clone.decide(alice, frame({ epoch, sequence: 3, follows: 1 })), { type: 'order' });
  t.end();
});

t.test('batches that no client wrote leave no trace', (t) => {
  const log = new Headers();
  log.add({ kind: 'noop', producer: noProducer });
  log.add({ producer: noProducer, sequence: 0 });
  t.equal(log.producers.count, 0);
  refused(t, log.producers.decide(noProducer, frame({})), 'INVALID_ARGUMENT', 'none');
  t.end();
});

t.test('a sequence that is none is refused', (t) => {
  const log = new Headers();
  const epoch = log.open();
  for (const sequence of [0, -1, 1.5, 2 ** 53, Number.NaN]) {
    for (const kind of ['data', 'open'] as const) {
      const verdict = log.producers.decide(alice, frame({ kind, epoch, sequence }));
      refused(t, verdict, 'INVALID_ARGUMENT', 'none');
    }
  }
  t.end();
});

t.test('a log that breaks the rules is not believed', (t) => {
  const log = new Headers();
  const epoch = log.open();
  log.add({ epoch, sequence: 4 });
  t.throws(() => log.add({ epoch, sequence: 4 }), { code: 'INTERNAL' });
  t.throws(() => log.add({ epoch: epoch + 1, sequence: 5 }), { code: 'INTERNAL' });
  t.throws(() => log.add({ producer: id(5), sequence: 1 }), { code: 'INTERNAL' });
  t.end();
});

t.test('JSON that is no table is refused', (t) => {
  const batch = ['data', 1, 0, 96, 0, 1];
  const wrong = [
    null,
    {},
    [[alice]],
    [[1, batch, []]],
    [[alice, batch.slice(1), []]],
    [[alice, ['toString', 1, 0, 96, 0, 1], []]],
    [[alice, batch, [['data', -1, 0, 96, 0, 1]]]],
  ];
  for (const value of wrong) {
    t.throws(() => Producers.fromJson(value), { code: 'DATA_CORRUPT' });
  }
  t.same(Producers.fromJson([[alice, batch, [batch]]]).toJson(), [[alice, batch, [batch]]]);
  t.end();
});
