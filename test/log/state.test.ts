import fc from 'fast-check';
import t from 'tap';
import type { Batch, BatchKind } from '../../proto/batch.js';
import { batchEnd, buildBatch, genesisChain, noProducer } from '../../proto/batch.js';
import { bodyChecksum } from '../../proto/checksum.js';
import { checkEntries, encodeEntries } from '../../proto/entries.js';
import { admissionIn, incarnationBody, incarnationEntries } from '../../server/log/incarnation.js';
import { LogState, needsBody } from '../../server/log/state.js';

const genesis = genesisChain('cluster');
const nothing = Buffer.alloc(0);
const producers = ['00000000000000a1', '00000000000000a2', '00000000000000a3'];

interface Step {
  readonly kind: BatchKind;
  readonly newTerm: boolean;
  readonly passedMs: number;
  readonly producer: number;
  readonly entry: string;
}

/** Writes a legal log: every data or fence batch belongs to a producer that is open. */
class Writer {
  readonly batches: Batch[] = [];
  readonly #written = new Map<string, { epoch: number; sequence: number }>();
  #term = 1;
  #timeMs = 0;

  add({ kind, newTerm, passedMs, producer, entry }: Step): Batch {
    if (newTerm) this.#term += 1;
    this.#timeMs += passedMs;
    const ownsNone = kind === 'noop' || kind === 'incarnation';
    const id = ownsNone ? noProducer : (producers[producer] ?? noProducer);
    const written = this.#written.get(id);
    const opens = written === undefined && !ownsNone;
    const actual = opens ? 'open' : kind;
    const body = bodyOf(actual, producer, entry);
    const last = this.batches.at(-1)?.header;
    const offset = last === undefined ? 0 : batchEnd(last);
    const sequence = ownsNone ? 0 : (written?.sequence ?? 0) + 1;
    const epoch = actual === 'data' || actual === 'fence' ? (written?.epoch ?? 0) : 0;
    const checked = checkEntries(body);
    const batch = buildBatch(
      {
        kind: actual,
        offset,
        term: this.#term,
        timeMs: this.#timeMs,
        entryCount: checked.ok ? checked.count : 0,
        producer: id,
        epoch,
        sequence,
        bodyChecksum: bodyChecksum(body),
      },
      body,
      last?.chain ?? genesis,
    );
    if (actual === 'open') this.#written.set(id, { epoch: offset, sequence: 0 });
    else if (!ownsNone) this.#written.set(id, { epoch, sequence });
    this.batches.push(batch);
    return batch;
  }
}

function bodyOf(kind: BatchKind, producer: number, entry: string): Buffer {
  if (kind === 'incarnation') return incarnationBody(`n${producer}`, entry.length + 1);
  return kind === 'data' || kind === 'fence' ? encodeEntries([Buffer.from(entry)]) : nothing;
}

const step = (fields: Partial<Step> = {}): Step => ({
  kind: 'data',
  newTerm: false,
  passedMs: 1,
  producer: 0,
  entry: 'x',
  ...fields,
});

const steps = fc.array(
  fc.record<Step>({
    kind: fc.constantFrom('data', 'noop', 'open', 'fence', 'incarnation'),
    newTerm: fc.boolean(),
    passedMs: fc.nat(5),
    producer: fc.nat(2),
    entry: fc.string({ maxLength: 16 }),
  }),
  { maxLength: 40 },
);

function stateOf(batches: readonly Batch[], state = LogState.empty(genesis)): LogState {
  for (const { header, body } of batches) state.apply(header, body);
  return state;
}

const asJson = (state: LogState) => JSON.stringify(state.toJson());

t.test('an empty log says nothing', (t) => {
  const state = LogState.empty(genesis);
  const { endOffset, endChain, lastTerm, lastTimeMs, dataEnd, token, terms } = state;
  t.same(
    { endOffset, endChain, lastTerm, lastTimeMs, dataEnd, token, terms },
    {
      endOffset: 0,
      endChain: genesis,
      lastTerm: 0,
      lastTimeMs: 0,
      dataEnd: 0,
      token: null,
      terms: [],
    },
  );
  t.equal(state.producers.count, 0);
  t.end();
});

t.test('the state follows the batches', (t) => {
  const writer = new Writer();
  const noop = writer.add(step({ kind: 'noop' }));
  writer.add(step({ kind: 'open' }));
  const data = writer.add(step());
  const later = writer.add(step({ kind: 'noop', newTerm: true, passedMs: 5 }));
  const state = stateOf(writer.batches);
  t.equal(state.endOffset, batchEnd(later.header));
  t.equal(state.endChain, later.header.chain);
  t.equal(state.lastTerm, 2);
  t.equal(state.lastTimeMs, 8);
  t.equal(state.dataEnd, batchEnd(data.header), 'a no-op does not move the end of the data');
  t.same(state.terms, [
    { term: 1, startOffset: noop.header.offset },
    { term: 2, startOffset: later.header.offset },
  ]);
  t.equal(state.producers.count, 1);
  t.end();
});

t.test('a fence batch sets the token, an empty one takes it away', (t) => {
  const writer = new Writer();
  const state = stateOf([writer.add(step({ kind: 'open' }))]);
  const fence = writer.add(step({ kind: 'fence', entry: 'token-1' }));
  state.apply(fence.header, fence.body);
  const { dataEnd } = state;
  fence.body.fill(0);
  t.same(state.token, Buffer.from('token-1'), 'and keeps its own copy');
  stateOf([writer.add(step({ kind: 'fence', entry: 'token-2' }))], state);
  t.same(state.token, Buffer.from('token-2'));
  stateOf([writer.add(step({ kind: 'fence', entry: '' }))], state);
  t.equal(state.token, null);
  t.equal(state.dataEnd, dataEnd, 'a fence is no data');
  t.end();
});

t.test('the incarnations that the log admits are listed in its order', (t) => {
  const writer = new Writer();
  const state = stateOf([writer.add(step({ kind: 'open' }))]);
  const { admissions, dataEnd } = state;
  const batches = [
    writer.add(step({ kind: 'incarnation', producer: 2, entry: 'xx' })),
    writer.add(step({ kind: 'data' })),
    writer.add(step({ kind: 'incarnation', producer: 1, entry: 'x' })),
  ];
  const [first, , second] = batches.map(({ header }) => ({
    offset: header.offset,
    end: batchEnd(header),
  }));
  stateOf(batches.slice(0, 1), state);
  t.equal(state.dataEnd, dataEnd, 'an admission is no data');
  stateOf(batches.slice(1), state);
  t.same(state.admissions, [
    { node: 'n2', incarnation: 3, ...first },
    { node: 'n1', incarnation: 2, ...second },
  ]);
  t.same(admissions, [], 'a list that was read stays as it was');
  t.same(
    batches.map(({ header }) => needsBody(header)),
    [true, false, true],
  );
  t.end();
});

t.test('a body says which incarnation it admits, and nothing else passes for one', (t) => {
  for (const node of ['a', 'knoten-ä', 'n'.repeat(300)]) {
    for (const incarnation of [1, 17, 2 ** 53 - 1]) {
      const body = incarnationBody(node, incarnation);
      t.same(admissionIn(body), { node, incarnation });
      t.same(checkEntries(body), { ok: true, count: incarnationEntries });
    }
  }
  t.throws(() => incarnationBody('a', 0), { code: 'INTERNAL' });
  const others = [['a'], ['a', ''], ['a', '0'], ['a', '-1'], ['a', '1e3'], ['a', '1', '2'], []];
  for (const entries of others) {
    const body = encodeEntries(entries.map((entry) => Buffer.from(entry)));
    t.throws(() => admissionIn(body), { code: 'INTERNAL' }, JSON.stringify(entries));
  }
  t.end();
});

t.test('a state from a checkpoint goes on like the one that was never left', (t) => {
  fc.assert(
    fc.property(steps, fc.nat(40), (plan, cut) => {
      const writer = new Writer();
      for (const one of plan) writer.add(one);
      const before = stateOf(writer.batches.slice(0, cut));
      const restored = LogState.fromJson(JSON.parse(asJson(before)));
      const clone = before.clone();
      const rest = writer.batches.slice(cut);
      const whole = asJson(stateOf(writer.batches));
      return (
        asJson(stateOf(rest, restored)) === whole &&
        asJson(stateOf(rest, clone)) === whole &&
        asJson(before) === asJson(stateOf(writer.batches.slice(0, cut)))
      );
    }),
  );
  t.end();
});

t.test('terms that were read stay as they were', (t) => {
  const writer = new Writer();
  const state = stateOf([writer.add(step({ kind: 'noop' }))]);
  const { terms } = state;
  stateOf([writer.add(step({ kind: 'noop', newTerm: true }))], state);
  t.equal(terms.length, 1);
  t.equal(state.terms.length, 2);
  t.end();
});

t.test('a batch that does not follow is refused', (t) => {
  const writer = new Writer();
  const first = writer.add(step({ kind: 'noop', newTerm: true, passedMs: 9 }));
  const second = writer.add(step({ kind: 'noop' }));
  const state = stateOf([first]);
  const before = asJson(state);
  const wrong = [
    first.header,
    { ...second.header, offset: second.header.offset + 1 },
    { ...second.header, term: 1 },
    { ...second.header, timeMs: 8 },
  ];
  for (const header of wrong) {
    t.throws(() => state.apply(header, nothing), { code: 'INTERNAL' });
    t.equal(asJson(state), before);
  }
  t.end();
});

t.test('JSON that is no state is refused', (t) => {
  const writer = new Writer();
  for (const kind of ['noop', 'open', 'data', 'fence', 'incarnation'] as const)
    writer.add(step({ kind }));
  const good = JSON.parse(asJson(stateOf(writer.batches))) as Record<string, unknown>;
  t.equal(asJson(LogState.fromJson(good)), asJson(stateOf(writer.batches)));
  for (const name of Object.keys(good)) {
    t.throws(() => LogState.fromJson({ ...good, [name]: { wrong: true } }), {
      code: 'DATA_CORRUPT',
    });
  }
  t.throws(() => LogState.fromJson(undefined), { code: 'DATA_CORRUPT' });
  t.throws(() => LogState.fromJson({ ...good, terms: [[1]] }), { code: 'DATA_CORRUPT' });
  t.throws(() => LogState.fromJson({ ...good, admissions: [['n1', 2]] }), { code: 'DATA_CORRUPT' });
  t.end();
});
