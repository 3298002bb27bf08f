/** How a leader brings its peers' logs to its own: windows, loads, and what was lost. */
import t from 'tap';
import type { Raft } from '../../server/raft/raft.js';
import type { Mark, RaftOptions } from '../../server/raft/types.js';
import { lastOf, marksAfter, marksOf } from './marks.js';
import { Network } from './network.js';
import { from, leadB, linkDown, come, optionsOfB, sent, tick, typesOf } from './single.js';

/** A leader b of term 1 to which a's and c's answers make no difference yet. */
function propose(
  raft: Raft,
  lengths: readonly number[],
): { marks: Mark[]; effects: ReturnType<Raft['step']> } {
  const { term, endOffset: end } = raft;
  const marks = marksAfter({ offset: 0, end, term, chain: 'x' }, term, lengths);
  return { marks, effects: raft.step({ type: 'propose', marks }) };
}

function acknowledge(raft: Raft, node: string, matchOffset: number) {
  return raft.step(from(node, { type: 'appendReply', term: raft.term, matchOffset }));
}

function ends(effects: ReturnType<Raft['step']>, to: string): (number | undefined)[] {
  const appends = sent(effects, 'append').filter((append) => append.to === to);
  return appends.map((append) => append.marks.at(-1)?.end);
}

function leadWith(options: Partial<RaftOptions>): Raft {
  const raft = leadB([], { ...optionsOfB, ...options });
  acknowledge(raft, 'a', 5);
  return raft;
}

t.test('a probe is one message; the answer to it opens the pipeline', async (t) => {
  const raft = leadB();
  t.match(raft.progress('a'), { mode: 'probe', matchOffset: 0, nextOffset: 5 });
  t.strictSame(ends(propose(raft, [10]).effects, 'a'), []);
  const effects = acknowledge(raft, 'a', 0);
  t.strictSame(ends(effects, 'a'), [15]);
  t.equal(raft.progress('a')?.mode, 'replicate');
  t.strictSame(ends(propose(raft, [10]).effects, 'a'), [25], 'it waits for nothing');
  t.equal(raft.progress('z'), undefined);
  tick(raft, 10);
  t.equal(raft.progress('a'), undefined, 'only a leader knows');
});

t.test(
  'an append carries whole batches up to messageBytesMax, and a larger one alone',
  async (t) => {
    const raft = leadWith({ messageBytesMax: 100, inflightBytesMax: 10_000 });
    t.strictSame(ends(propose(raft, [40, 60, 1, 500, 20, 20]).effects, 'a'), [105, 106, 606, 646]);
  },
);

t.test('what is in flight is bounded in messages', async (t) => {
  const raft = leadWith({ inflightMessagesMax: 2 });
  t.strictSame(ends(propose(raft, [1]).effects, 'a'), [6]);
  t.strictSame(ends(propose(raft, [1]).effects, 'a'), [7]);
  t.strictSame(ends(propose(raft, [1, 1]).effects, 'a'), []);
  t.strictSame(ends(acknowledge(raft, 'a', 6), 'a'), [9], 'room for one, which takes all');
});

t.test('what is in flight is bounded in bytes, but a larger batch goes alone', async (t) => {
  const raft = leadWith({ inflightBytesMax: 150 });
  t.strictSame(ends(propose(raft, [100, 40, 20]).effects, 'a'), [105, 145]);
  t.strictSame(ends(propose(raft, [900]).effects, 'a'), []);
  t.strictSame(ends(acknowledge(raft, 'a', 105), 'a'), [165]);
  t.strictSame(ends(acknowledge(raft, 'a', 145), 'a'), []);
  t.strictSame(ends(acknowledge(raft, 'a', 165), 'a'), [1065]);
});

t.test('a matchOffset never moves back', async (t) => {
  const raft = leadWith({});
  propose(raft, [10]);
  acknowledge(raft, 'a', 15);
  acknowledge(raft, 'a', 5);
  t.match(raft.progress('a'), { matchOffset: 15, nextOffset: 15 });
  raft.step(linkDown('a'));
  t.match(raft.progress('a'), { matchOffset: 15, mode: 'probe' });
});

t.test('an acknowledgement beyond what is being probed counts', async (t) => {
  const raft = leadWith({});
  propose(raft, [10, 10]);
  raft.step(linkDown('a'));
  acknowledge(raft, 'a', 25);
  t.match(raft.progress('a'), { matchOffset: 25, nextOffset: 25 });
});

t.test(
  'a link that goes down loses what is in flight; one that comes up begins with a probe',
  async (t) => {
    const raft = leadWith({});
    propose(raft, [10, 10]);
    t.strictSame(raft.step(linkDown('a')), []);
    t.match(raft.progress('a'), { mode: 'probe', nextOffset: 5, inflight: [] });
    t.strictSame(sent(propose(raft, [10]).effects, 'append'), [], 'nothing is sent to nobody');
    t.notOk(tick(raft, 4).some((effect) => effect.type === 'send' && effect.to === 'a'));
    t.match(sent(come(raft, 'a', { term: 1, durableOffset: 5 }), 'append'), [
      { to: 'a', prevOffset: 5 },
    ]);
  },
);

t.test('a message that is lost without a sign is sent again', async (t) => {
  for (const type of ['append', 'appendReply', 'heartbeat', 'commit'] as const) {
    const network = new Network();
    network.elect('a');
    network.run();
    network.passes = ({ message }) => message.type !== type;
    network.propose('a', [10, 20]);
    network.run();
    network.passes = () => true;
    network.pass(8);
    t.strictSame(network.node('c').disk.durable, network.node('a').log, type);
    t.equal(network.core('c').commitOffset, 35, type);
  }
});

t.test('a slow disk is asked for news, not sent everything again', async (t) => {
  const network = new Network();
  network.elect('a');
  network.run();
  network.node('c').disk.held = true;
  network.propose('a', [10, 20]);
  network.run();
  network.history.length = 0;
  network.pass(20);
  const appends = sent(
    network.history.map((entry) => entry.effect),
    'append',
  );
  t.ok(appends.length > 3);
  t.strictSame(
    appends.filter((append) => append.marks.length > 0),
    [],
  );
});

t.test('a rejection leads to the common point in one step', async (t) => {
  const raft = leadB(marksOf([1, 1, 2, 2, 5]));
  const terms = [
    { term: 1, startOffset: 0 },
    { term: 2, startOffset: 20 },
    { term: 3, startOffset: 30 },
  ];
  const rejection = { prevOffset: 50, endOffset: 90, terms };
  raft.step(from('a', { type: 'appendReply', term: 6, matchOffset: 0, rejection }));
  t.match(raft.progress('a'), { mode: 'probe', inflight: [{ prevOffset: 30, end: 30 }] });
  const shorter = { prevOffset: 30, endOffset: 15, terms: terms.slice(0, 1) };
  const effects = raft.step(
    from('a', { type: 'appendReply', term: 6, matchOffset: 0, rejection: shorter }),
  );
  t.match(sent(effects, 'append'), [{ prevOffset: 15, prevTerm: 1 }]);
});

t.test('a rejection of what was not asked is ignored', async (t) => {
  const raft = leadWith({});
  propose(raft, [10, 10]);
  acknowledge(raft, 'a', 15);
  for (const prevOffset of [5, 15, 20]) {
    const rejection = { prevOffset, endOffset: 0, terms: [] };
    raft.step(from('a', { type: 'appendReply', term: 1, matchOffset: 0, rejection }));
    t.equal(raft.progress('a')?.mode, 'replicate', `${prevOffset}`);
  }
});

t.test('logs that differ in more terms than a rejection holds are brought together', async (t) => {
  const network = new Network({ core: { messageBytesMax: 30 } });
  const shared = marksOf([1, 2]);
  const even = Array.from({ length: 90 }, (_, index) => 4 + 2 * index);
  for (const [id, terms] of [
    ['a', [1, 2, ...even.map((term) => term + 1)]],
    ['b', [1, 2, ...even]],
    ['c', even],
  ] as const) {
    network.crash(id);
    network.node(id).disk.fill(marksOf(terms), 300);
  }
  for (const id of ['a', 'b', 'c']) network.restart(id);
  network.elect('a');
  network.pass(2);
  t.strictSame(network.node('a').log.slice(0, 2), shared);
  for (const id of ['b', 'c']) t.strictSame(network.node(id).disk.durable, network.node('a').log);
  const probes = network
    .effects('b', 'send')
    .filter(({ message }) => message.type === 'appendReply' && message.rejection);
  t.equal(probes.length, 2, 'two tables of 64 terms reach back over 90');
});

t.test('batches that are not at hand are loaded, one answer at a time', async (t) => {
  const raft = leadB(marksOf([1, 1, 1, 1]));
  const rejection = { prevOffset: 40, endOffset: 0, terms: [] };
  const probe = raft.step(from('a', { type: 'appendReply', term: 2, matchOffset: 0, rejection }));
  t.match(sent(probe, 'append'), [{ prevOffset: 0, marks: [] }]);
  const effects = acknowledge(raft, 'a', 0);
  t.strictSame(effects, [{ type: 'load', peer: 'a', offset: 0, bytesMax: 100 }]);
  t.strictSame(acknowledge(raft, 'a', 0), [], 'it is being loaded');
  const marks = marksOf([1, 1]);
  const loaded = raft.step({ type: 'loaded', peer: 'a', offset: 0, prevChain: 'genesis', marks });
  t.match(sent(loaded, 'append'), [{ to: 'a', prevOffset: 0, prevChain: 'genesis', marks }]);
  t.match(loaded.at(-1), { type: 'load', peer: 'a', offset: 20 });
});

t.test('what was loaded too late, for an older log or not at all, is not sent', async (t) => {
  const load = () => {
    const raft = leadB(marksOf([1, 1, 1, 1]));
    const rejection = { prevOffset: 40, endOffset: 0, terms: [] };
    raft.step(from('a', { type: 'appendReply', term: 2, matchOffset: 0, rejection }));
    acknowledge(raft, 'a', 0);
    return raft;
  };
  const loaded = (marks: Mark[], offset = 0) =>
    ({ type: 'loaded', peer: 'a', offset, marks }) as const;
  const wrong = [marksOf([1, 2]), marksOf([1, 1, 1, 1, 1, 1]), marksOf([1, 1]).slice(1), []];
  for (const marks of wrong) {
    const effects = load().step(loaded(marks));
    t.strictSame(effects, [{ type: 'load', peer: 'a', offset: 0, bytesMax: 100 }], 'asks again');
  }
  t.strictSame(load().step(loaded(marksOf([1]), 10)), [], 'another offset');
  t.strictSame(leadB().step({ ...loaded(marksOf([1])), peer: 'z' }), [], 'another peer');
  const cut = load();
  cut.step(linkDown('a'));
  t.strictSame(cut.step(loaded(marksOf([1]))), [], 'the link is down');
  const moved = load();
  acknowledge(moved, 'a', 10);
  t.strictSame(moved.step(loaded(marksOf([1]))), [
    { type: 'load', peer: 'a', offset: 10, bytesMax: 100 },
  ]);
});

t.test('a load keeps within the window', async (t) => {
  const raft = leadB(marksOf([1, 1, 1, 1]), { ...optionsOfB, inflightBytesMax: 110 });
  const rejection = { prevOffset: 40, endOffset: 0, terms: [] };
  raft.step(from('a', { type: 'appendReply', term: 2, matchOffset: 0, rejection }));
  acknowledge(raft, 'a', 0);
  const effects = raft.step({ type: 'loaded', peer: 'a', offset: 0, marks: marksOf([1, 1]) });
  t.strictSame(typesOf(effects), ['append'], 'no room for another hundred bytes');
  t.match(acknowledge(raft, 'a', 20), [{ type: 'load', offset: 20 }]);
});

t.test('a peer far behind catches up from the disk, while others go on', async (t) => {
  const network = new Network({ core: { recentMarksMax: 4 } });
  network.elect('a');
  network.isolate('c');
  for (let count = 0; count < 60; count += 1) {
    network.propose('a', [30]);
    network.run();
  }
  t.ok(network.core('a').state.log.marks.items.length <= 4);
  network.heal();
  network.pass(3);
  t.strictSame(network.node('c').disk.durable, network.node('a').log);
  t.ok(network.effects('a', 'load').length > 10);
});

t.test('marks that are not committed or not on disk are kept, however many', async (t) => {
  const raft = leadWith({ recentMarksMax: 4 });
  const { marks } = propose(
    raft,
    Array.from({ length: 50 }, () => 2),
  );
  t.equal(raft.state.log.marks.items.length, 51);
  acknowledge(raft, 'a', 105);
  acknowledge(raft, 'c', 105);
  t.equal(raft.commitOffset, 105);
  t.equal(raft.state.log.marks.items.length, 51, 'the own disk is behind');
  raft.step({ type: 'synced', generation: 0, offset: lastOf(marks).end });
  t.equal(raft.state.log.marks.items.length, 4);
});

t.test('a commit is told at once: with an append if one goes out, else by itself', async (t) => {
  const raft = leadWith({ messageBytesMax: 10 });
  acknowledge(raft, 'c', 5);
  propose(raft, [10, 10]);
  raft.step({ type: 'synced', generation: 0, offset: 15 });
  const effects = acknowledge(raft, 'a', 15);
  t.match(effects, [
    { type: 'commit', offset: 15 },
    { to: 'a', message: { type: 'commit', commitOffset: 15 } },
    { to: 'c', message: { type: 'commit', commitOffset: 15 } },
  ]);
  t.equal(effects.length, 3);
  const full = leadWith({ inflightMessagesMax: 1 });
  propose(full, [10]);
  propose(full, [10]);
  full.step({ type: 'synced', generation: 0, offset: 15 });
  t.match(acknowledge(full, 'a', 15), [
    { type: 'commit', offset: 15 },
    { to: 'a', message: { type: 'append', commitOffset: 15 } },
  ]);
});

t.test('a learner receives everything and decides nothing', async (t) => {
  const network = new Network({ learners: ['x'] });
  network.elect('a');
  network.run();
  network.isolate('b');
  network.cut('a', 'c');
  network.propose('a', [10]);
  network.run();
  t.equal(network.core('x').durableOffset, 15);
  t.equal(network.core('a').commitOffset, 5);
});
