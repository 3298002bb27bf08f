import t from 'tap';
import { Ledger } from '../../../cli/bench/ledger.js';
import { Payload } from '../../../cli/bench/payload.js';
import type { Entry } from '../../../index.js';

const headBytes = 4;

interface Log {
  readonly ledger: Ledger;
  readonly entries: Entry[];
}

/** As many entries as if a log had taken them, and acknowledged those that are asked for. */
function logOf(entryBytes: number, count: number, askedEvery = 1): Log {
  const ledger = new Ledger(new Payload(entryBytes), askedEvery);
  const entry = ledger.payload.entry();
  const entries = Array.from({ length: count }, (_, index) => {
    const sequence = ledger.next(entry);
    const offset = 1000 + index * (headBytes + entryBytes);
    const position = { offset, end: offset + headBytes + entryBytes };
    if (ledger.isAsked(sequence)) ledger.acknowledged(sequence, position);
    ledger.reaches(position);
    return { offset, time: new Date(0), data: Buffer.from(entry) };
  });
  return { ledger, entries };
}

async function* inTurn(entries: readonly Entry[]): AsyncGenerator<Entry> {
  yield* entries;
}

function compare({ ledger, entries }: Log) {
  return ledger.compare(inTurn(entries), () => {});
}

t.test('what was appended is found, whatever its size, with others between', async (t) => {
  for (const entryBytes of [1, 2, 5, 6, 7, 100]) {
    for (const askedEvery of [1, 64]) {
      const log = logOf(entryBytes, 600, askedEvery);
      const { from, to } = log.ledger.range;
      t.same([from, to], [1000, 1000 + 600 * (headBytes + entryBytes)]);
      const foreign = { offset: 500, time: new Date(0), data: Buffer.alloc(entryBytes + 1) };
      log.entries.splice(300, 0, foreign);
      const found = { appended: 600, found: 600, breaks: 0, offsetsAgree: true, ok: true };
      t.same(await compare(log), found, `${entryBytes} bytes, one in ${askedEvery} asked`);
    }
  }
});

t.test('of nothing nothing is missing', async (t) => {
  const log = logOf(100, 0);
  t.same(log.ledger.range, { from: 0, to: 0 });
  t.match(await compare(log), { appended: 0, found: 0, ok: true });
});

const differences: Readonly<Record<string, (entries: Entry[]) => void>> = {
  'the first is lost': (entries) => void entries.shift(),
  'one is lost': (entries) => void entries.splice(41, 1),
  'the last is lost': (entries) => void entries.pop(),
  'one comes twice': (entries) => void entries.splice(41, 0, ...entries.slice(41, 42)),
  'two have changed places': (entries) => {
    const [first, second] = entries.splice(41, 2);
    if (first !== undefined && second !== undefined) entries.splice(41, 0, second, first);
  },
  'a counter has changed': (entries) => void entries[41]?.data.writeUInt8(1, 3),
  'another byte has changed': ({ 41: entry }) => {
    entry?.data.writeUInt8(entry.data.readUInt8(99) ^ 1, 99);
  },
  'one is cut': (entries) => {
    const [cut] = entries.splice(41, 1);
    if (cut !== undefined) entries.splice(41, 0, { ...cut, data: cut.data.subarray(0, 99) });
  },
  'all lie elsewhere': (entries) => {
    const moved = entries.splice(0).map((entry) => ({ ...entry, offset: entry.offset + 4 }));
    entries.push(...moved);
  },
};

for (const [what, change] of Object.entries(differences)) {
  t.test(`it is noticed that ${what}`, async (t) => {
    for (const askedEvery of [1, 32]) {
      const log = logOf(100, 600, askedEvery);
      change(log.entries);
      t.match(await compare(log), { ok: false }, `one in ${askedEvery} asked`);
    }
  });
}

t.test('two that have exchanged their offsets are noticed where they were asked for', async (t) => {
  const log = logOf(100, 600);
  const [first, second] = log.entries.splice(41, 2);
  t.ok(first && second);
  if (first === undefined || second === undefined) return;
  const exchanged = [
    { ...first, offset: second.offset },
    { ...second, offset: first.offset },
  ];
  log.entries.splice(41, 0, ...exchanged);
  t.match(await compare(log), { breaks: 0, offsetsAgree: false, ok: false });
});
