/** What a leader does about a peer that comes back as another incarnation, and whom it counts. */
import t from 'tap';
import type { Raft } from '../../server/raft/raft.js';
import type { Mark, Message, NodeId } from '../../server/raft/types.js';
import { lastOf, marksAfter, marksOf } from './marks.js';
import { Network } from './network.js';
import {
  appendOf,
  from,
  leadB,
  linkDown,
  come,
  optionsOfB,
  sent,
  startB,
  tick,
  typesOf,
} from './single.js';

const five = {
  ...optionsOfB,
  configuration: { voters: ['a', 'b', 'c', 'd', 'e'], learners: [] },
};

/** A leader b of five in term 1, its no-op committed up to 5. */
function leadFive(): Raft {
  const raft = startB([], { options: five });
  for (const peer of ['d', 'e']) come(raft, peer);
  tick(raft, 20);
  for (const preVote of [true, false]) {
    for (const voter of ['a', 'd']) {
      raft.step(from(voter, { type: 'voteReply', term: 1, preVote, granted: true }));
    }
  }
  propose(raft);
  for (const peer of ['a', 'c', 'd', 'e']) acknowledge(raft, peer, 5);
  return raft;
}

/** The leader orders a batch of five bytes, and has it on disk. */
function propose(raft: Raft, admission?: { node: NodeId; incarnation: number }): Mark {
  const previous = { offset: 0, end: raft.endOffset, term: raft.term, chain: `${raft.endOffset}` };
  const [mark] = marksAfter(previous, raft.term, [5]);
  if (mark === undefined) throw new Error('one length makes one batch');
  const batch = { ...mark, ...(admission !== undefined && { admission }) };
  raft.step({ type: 'propose', marks: [batch] });
  raft.step({ type: 'synced', generation: raft.generation, offset: batch.end });
  return batch;
}

function acknowledge(raft: Raft, peer: NodeId, matchOffset: number, incarnation = 1) {
  const reply: Message = { type: 'appendReply', term: raft.term, matchOffset };
  return raft.step(from(peer, reply, incarnation));
}

t.test('a leader asks for an admission until the log has it, and then waits', async (t) => {
  const raft = leadB();
  const admit = { type: 'admit', admission: { node: 'c', incarnation: 7 } };
  t.strictSame(come(raft, 'c', { incarnation: 7 }), [admit]);
  acknowledge(raft, 'a', 5);
  const asked = tick(raft, 4).filter((effect) => effect.type === 'admit');
  t.strictSame(asked, [admit, admit]);
  propose(raft, { node: 'c', incarnation: 7 });
  acknowledge(raft, 'a', 5);
  const later = [...tick(raft, 4), ...come(raft, 'c', { incarnation: 7 })];
  t.notOk(later.some((effect) => effect.type === 'admit'));
  t.notOk(
    later.some((effect) => effect.type === 'send' && effect.to === 'c'),
    'and says nothing to it',
  );
});

t.test('a leader asks for no admission before its no-op, nor while it hands over', async (t) => {
  const raft = startB();
  tick(raft, 20);
  for (const preVote of [true, false]) {
    raft.step(from('a', { type: 'voteReply', term: 1, preVote, granted: true }));
  }
  t.equal(raft.role, 'leader');
  t.strictSame(come(raft, 'c', { incarnation: 7 }), []);
  propose(raft);
  raft.step({ type: 'transfer', to: 'a' });
  const types = typesOf([...tick(raft, 4), ...come(raft, 'c', { incarnation: 7 })]);
  t.notOk(types.includes('admit'));
});

t.test('an admission needs a majority of all voters, the node itself left out', async (t) => {
  const raft = leadFive();
  come(raft, 'c', { incarnation: 7 });
  const { end } = propose(raft, { node: 'c', incarnation: 7 });
  acknowledge(raft, 'a', end);
  acknowledge(raft, 'c', end, 7);
  acknowledge(raft, 'c', end, 1);
  t.equal(raft.commitOffset, 5);
  const effects = acknowledge(raft, 'd', end);
  t.equal(raft.commitOffset, end);
  const welcomed = effects.flatMap((effect) =>
    effect.type === 'send' && effect.to === 'c' ? [effect.message.type] : [],
  );
  t.strictSame(welcomed, ['welcome', 'append'], 'told before anything else');
});

t.test('a welcome is said with every heartbeat until an answer counts', async (t) => {
  const raft = leadFive();
  come(raft, 'c', { incarnation: 7 });
  const { end } = propose(raft, { node: 'c', incarnation: 7 });
  for (const peer of ['a', 'd', 'e']) acknowledge(raft, peer, end);
  const welcomes = () => sent(tick(raft, 2), 'welcome');
  t.match(welcomes(), [{ to: 'c', term: 1, incarnation: 7 }]);
  t.equal(welcomes().length, 1);
  raft.step(from('c', { type: 'heartbeatReply', term: 1, round: 0 }, 1));
  t.equal(welcomes().length, 1, 'not one of the old incarnation');
  raft.step(from('c', { type: 'heartbeatReply', term: 1, round: 0 }, 7));
  t.equal(welcomes().length, 0);
  raft.step(linkDown('c'));
  come(raft, 'c', { incarnation: 7, term: 1 });
  t.equal(welcomes().length, 0);
});

t.test('what only the old incarnation had acknowledged is not committed', async (t) => {
  const raft = leadFive();
  const { end } = propose(raft);
  acknowledge(raft, 'c', end);
  t.match(raft.progress('c'), { matchOffset: end });
  raft.step(linkDown('c'));
  t.match(raft.progress('c'), { matchOffset: end }, 'it may come back as it was');
  come(raft, 'c', { incarnation: 7 });
  t.match(raft.progress('c'), { matchOffset: 0, mode: 'probe', isHeard: false });
  acknowledge(raft, 'a', end);
  t.equal(raft.commitOffset, 5);
  come(raft, 'c', { term: 1, durableOffset: end });
  t.equal(raft.commitOffset, 5, 'nor when it is back: it has to say so again');
  acknowledge(raft, 'c', end);
  t.equal(raft.commitOffset, end);
});

t.test('what was read for the old incarnation does not go to the new one', async (t) => {
  const raft = leadB(marksOf([1, 1, 1, 1]));
  const rejection = { prevOffset: 40, endOffset: 0, terms: [] };
  raft.step(from('c', { type: 'appendReply', term: 2, matchOffset: 0, rejection }));
  t.match(acknowledge(raft, 'c', 0), [{ type: 'load', offset: 0 }]);
  come(raft, 'c', { incarnation: 7 });
  const loaded = raft.step({ type: 'loaded', peer: 'c', offset: 0, marks: marksOf([1, 1]) });
  t.strictSame(loaded, []);
});

t.test('the old incarnation neither keeps a leader in office nor confirms a read', async (t) => {
  const raft = leadFive();
  raft.step({ type: 'readIndex', id: 1 });
  const confirm = (peer: NodeId, incarnation = 1) =>
    raft.step(from(peer, { type: 'heartbeatReply', term: 1, round: 1 }, incarnation));
  confirm('c');
  come(raft, 'c', { incarnation: 7 });
  t.notOk(typesOf(confirm('a')).includes('readReady'));
  t.strictSame([...confirm('c'), ...confirm('c', 7)], []);
  t.ok(typesOf(confirm('d')).includes('readReady'));
  tick(raft, 9);
  for (const peer of ['a', 'c']) confirm(peer);
  t.match(tick(raft), [{ type: 'role', role: 'follower' }], 'three of five are not heard');
});

t.test('who is not admitted is not handed over to', async (t) => {
  const raft = leadB();
  come(raft, 'c', { incarnation: 7 });
  const ended = [{ type: 'transferEnded', to: 'c', ok: false }];
  t.strictSame(raft.step({ type: 'transfer', to: 'c' }), ended);
  raft.step({ type: 'transfer' });
  t.match(raft.state.transfer, { to: 'a' });
});

t.test('a vote counts only from the incarnation that the log has admitted', async (t) => {
  const admission = { node: 'c', incarnation: 7 };
  const log = marksOf([1, 1]).map((mark, index) => (index === 1 ? { ...mark, admission } : mark));
  const vote: Message = { type: 'voteReply', term: 2, preVote: true, granted: true };
  for (const [incarnation, stage] of [
    [1, 'preVote'],
    [8, 'preVote'],
    [7, 'vote'],
  ] as const) {
    const raft = startB(log);
    come(raft, 'c', { incarnation });
    tick(raft, 20);
    raft.step(from('c', vote, incarnation));
    t.match(raft.state.role, { type: 'candidate', stage }, `${incarnation}`);
  }
  const late = startB(log);
  come(late, 'c', { incarnation: 7 });
  tick(late, 20);
  late.step(from('c', vote));
  t.match(late.state.role, { stage: 'preVote' }, 'what it said as another is over');
});

t.test('an admission that is cut off does not count', async (t) => {
  const admission = { node: 'c', incarnation: 7 };
  const [first, second] = marksOf([1, 2]);
  const log = [
    { ...lastOf(marksOf([1])), ...first },
    { ...lastOf([]), ...second, admission },
  ];
  const raft = startB([]);
  raft.step(from('a', appendOf(2, lastOf([]), log)));
  t.equal(raft.admittedIncarnation('c'), 7);
  const [replaced] = marksAfter(lastOf(log.slice(0, 1)), 3, [10]);
  const append = appendOf(3, lastOf(log.slice(0, 1)), replaced === undefined ? [] : [replaced]);
  t.ok(typesOf(raft.step(from('a', append))).includes('truncate'));
  t.equal(raft.admittedIncarnation('c'), 1);
});

t.test('to admit again whom the log has admitted last is no news', async (t) => {
  const raft = leadFive();
  come(raft, 'c', { incarnation: 7 });
  const first = propose(raft, { node: 'c', incarnation: 7 });
  for (const peer of ['a', 'd']) acknowledge(raft, peer, first.end);
  acknowledge(raft, 'c', first.end, 7);
  const second = propose(raft, { node: 'c', incarnation: 7 });
  t.match(raft.progress('c'), { matchOffset: first.end });
  acknowledge(raft, 'a', second.end);
  acknowledge(raft, 'c', second.end, 7);
  t.equal(raft.commitOffset, second.end);
});

t.test('an incarnation is told that it is over once its successor is committed', async (t) => {
  const raft = leadFive();
  come(raft, 'c', { incarnation: 7 });
  const { end } = propose(raft, { node: 'c', incarnation: 7 });
  t.strictSame(come(raft, 'c'), [], 'not before: it may have lost nothing');
  acknowledge(raft, 'c', end);
  t.match(raft.progress('c'), { matchOffset: 0 });
  for (const peer of ['a', 'd']) acknowledge(raft, peer, end);
  t.equal(raft.commitOffset, end);
  t.match(sent(tick(raft, 2), 'forgotten'), [{ to: 'c', incarnation: 1 }]);
  come(raft, 'c', { incarnation: 8 });
  const next = propose(raft, { node: 'c', incarnation: 8 });
  for (const peer of ['a', 'd']) acknowledge(raft, peer, next.end);
  const told = come(raft, 'c', { incarnation: 7 });
  t.match(sent(told, 'forgotten'), [{ to: 'c', incarnation: 7 }]);
});

t.test('a superseded incarnation becomes another and is admitted', async (t) => {
  const network = new Network();
  network.elect('a');
  network.run();
  const copy = network.node('c').disk.image();
  network.wipe('c');
  network.restart('c');
  network.pass(6);
  t.match(network.core('c'), { admitted: true, incarnation: 2 });
  network.putBack('c', copy);
  network.restart('c');
  network.pass(10);
  t.match(network.core('c'), { admitted: true, incarnation: 3 });
  t.strictSame(network.node('c').disk.durable, network.node('a').log);
});

t.test('a leader that is elected begins with those that its log admits', async (t) => {
  const raft = startB();
  come(raft, 'c', { incarnation: 7 });
  tick(raft, 20);
  for (const preVote of [true, false]) {
    raft.step(from('a', { type: 'voteReply', term: 1, preVote, granted: true }));
  }
  propose(raft);
  tick(raft, 9);
  raft.step(from('c', { type: 'heartbeatReply', term: 1, round: 0 }, 7));
  t.match(tick(raft), [{ type: 'role', role: 'follower' }]);
});

t.test('a leader judges a copy by what was matched in its term', async (t) => {
  const lead = () => {
    const raft = leadB();
    acknowledge(raft, 'c', 5);
    return raft;
  };
  // Told at once, and again when the link comes up anew.
  const told = (state: Parameters<typeof come>[2]) =>
    sent(come(lead(), 'c', state), 'forgotten').length / 2;
  t.equal(told({ term: 1, durableOffset: 4 }), 1);
  t.equal(told({ term: 1, durableOffset: 5 }), 0);
  t.equal(told({ term: 2, durableOffset: 4 }), 0, 'another leader may have cut it');
  t.equal(told({ term: 1, durableOffset: null }), 0, 'it does not know yet');
  const raft = lead();
  come(raft, 'c', { term: 1, durableOffset: 4 });
  t.match(raft.progress('c'), { matchOffset: 0 });
  acknowledge(raft, 'c', 5);
  t.match(raft.progress('c'), { matchOffset: 0 }, 'nothing of it counts');
});
