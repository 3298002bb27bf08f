/** Linearizable questions: Ongaro's dissertation, section 6.4. */
import t from 'tap';
import { readsMax } from '../../server/raft/read-index.js';
import { marksOf } from './marks.js';
import { Network } from './network.js';
import { from, leadB, linkDown, sent, startB, tick } from './single.js';
import type { Raft } from '../../server/raft/raft.js';

function answers(effects: readonly { type: string }[]): unknown[] {
  return effects.filter((effect) => effect.type === 'readReady');
}

function confirm(raft: Raft, round: number, node = 'a') {
  return raft.step(from(node, { type: 'heartbeatReply', term: raft.term, round }));
}

/** A leader whose no-op is committed up to 15. */
function readyB(): Raft {
  const raft = leadB(marksOf([1]));
  raft.step(from('a', { type: 'appendReply', term: 2, matchOffset: 15 }));
  return raft;
}

t.test('a question waits until a batch of the term is committed', async (t) => {
  const raft = leadB(marksOf([1]));
  t.strictSame(raft.step({ type: 'readIndex', id: 1 }), []);
  t.strictSame(answers(confirm(raft, 0)), []);
  const committed = raft.step(from('a', { type: 'appendReply', term: 2, matchOffset: 15 }));
  t.match(sent(committed, 'heartbeat'), [
    { to: 'a', round: 1 },
    { to: 'c', round: 1 },
  ]);
  t.strictSame(answers(confirm(raft, 1)), [{ type: 'readReady', id: 1, offset: 15 }]);
});

t.test('only a round that was begun after the question answers it', async (t) => {
  const raft = readyB();
  raft.step({ type: 'readIndex', id: 1 });
  t.strictSame(raft.step({ type: 'readIndex', id: 2 }), [], 'one round at a time');
  const effects = confirm(raft, 1);
  t.strictSame(answers(effects), [{ type: 'readReady', id: 1, offset: 15 }]);
  t.match(sent(effects, 'heartbeat'), [
    { to: 'a', round: 2 },
    { to: 'c', round: 2 },
  ]);
  t.strictSame(answers(confirm(raft, 1, 'c')), [], 'an answer to the round before');
  t.strictSame(answers(confirm(raft, 2, 'c')), [{ type: 'readReady', id: 2, offset: 15 }]);
});

t.test('many questions share a round', async (t) => {
  const raft = readyB();
  for (let id = 1; id <= 50; id += 1) raft.step({ type: 'readIndex', id });
  t.equal(answers(confirm(raft, 1)).length, 1);
  t.equal(answers(confirm(raft, 2)).length, 49);
});

t.test('a round whose heartbeats are lost is repeated with the next ones', async (t) => {
  const network = new Network();
  network.elect('a');
  network.run();
  network.passes = () => false;
  network.step('a', { type: 'readIndex', id: 1 });
  network.passes = () => true;
  network.pass(2);
  t.match(network.effects('a', 'readReady'), [{ id: 1, offset: 5 }]);
});

t.test('a leader alone answers as soon as its no-op is committed', async (t) => {
  const network = new Network({ voters: ['a'] });
  network.node('a').disk.held = true;
  network.tick('a');
  network.step('a', { type: 'readIndex', id: 1 });
  t.strictSame(network.effects('a', 'readReady'), []);
  network.node('a').disk.held = false;
  network.work(network.node('a'));
  t.match(network.effects('a', 'readReady'), [{ id: 1, offset: 5 }]);
});

t.test('a deposed leader that does not know it answers nothing', async (t) => {
  const network = new Network();
  network.elect('a');
  network.run();
  network.isolate('a');
  network.elect('b');
  network.propose('b', [10]);
  network.run();
  network.step('a', { type: 'readIndex', id: 1 });
  t.strictSame(network.effects('a', 'readReady'), []);
  network.heal();
  network.pass(3);
  t.strictSame(network.effects('a', 'readReady'), [{ type: 'readReady', id: 1 }]);
});

t.test('a leader that steps down answers without an offset, near and far', async (t) => {
  const raft = readyB();
  raft.step({ type: 'readIndex', id: 1 });
  raft.step(from('c', { type: 'readIndexRequest', term: 2, id: 8 }));
  const effects = tick(raft, 10);
  t.strictSame(answers(effects), [{ type: 'readReady', id: 1 }]);
  t.strictSame(sent(effects, 'readIndexReply'), [
    { type: 'readIndexReply', to: 'c', term: 2, id: 8 },
  ]);
});

t.test('a follower asks the leader', async (t) => {
  const network = new Network();
  network.elect('a');
  network.run();
  network.propose('a', [10]);
  network.run();
  network.step('c', { type: 'readIndex', id: 7 });
  network.run();
  t.strictSame(network.effects('c', 'readReady'), [{ type: 'readReady', id: 7, offset: 15 }]);
});

t.test('without a leader the answer comes at once, and has no offset', async (t) => {
  const raft = startB();
  t.strictSame(raft.step({ type: 'readIndex', id: 1 }), [{ type: 'readReady', id: 1 }]);
  const asked = from('a', { type: 'readIndexRequest', term: 0, id: 2 });
  t.strictSame(sent(raft.step(asked), 'readIndexReply'), [
    { type: 'readIndexReply', to: 'a', term: 0, id: 2 },
  ]);
  tick(raft, 20);
  t.equal(raft.role, 'candidate');
  t.strictSame(raft.step({ type: 'readIndex', id: 3 }), [{ type: 'readReady', id: 3 }]);
  t.strictSame(raft.step(from('a', { type: 'readIndexReply', term: 0, id: 3, offset: 1 })), []);
});

t.test('a question of an older term is answered with the later one', async (t) => {
  const raft = startB([], { term: 4 });
  const effects = raft.step(from('a', { type: 'readIndexRequest', term: 3, id: 2 }));
  t.strictSame(sent(effects, 'readIndexReply'), [
    { type: 'readIndexReply', to: 'a', term: 4, id: 2 },
  ]);
});

t.test('a forwarded question ends with the leader, the term, the link or the time', async (t) => {
  const ends = {
    leader: (raft: Raft) => tick(raft, 20),
    term: (raft: Raft) =>
      raft.step(from('c', { type: 'heartbeat', term: 2, commitOffset: 0, round: 0 })),
    link: (raft: Raft) => raft.step(linkDown('a')),
    time: (raft: Raft) =>
      Array.from({ length: 10 }, () => [
        ...tick(raft),
        ...raft.step(from('a', { type: 'heartbeat', term: 1, commitOffset: 0, round: 0 })),
      ]).flat(),
  };
  for (const [name, end] of Object.entries(ends)) {
    const raft = startB();
    raft.step(from('a', { type: 'heartbeat', term: 1, commitOffset: 0, round: 0 }));
    const asked = raft.step({ type: 'readIndex', id: 1 });
    t.strictSame(sent(asked, 'readIndexRequest'), [
      { type: 'readIndexRequest', to: 'a', term: 1, id: 1 },
    ]);
    raft.step(linkDown('c'));
    t.strictSame(answers(end(raft)), [{ type: 'readReady', id: 1 }], name);
    const late = from('a', { type: 'readIndexReply', term: 1, id: 1, offset: 5 });
    t.strictSame(answers(raft.step(late)), [], 'and is answered once');
  }
});

t.test('questions are bounded at the leader and at the follower', async (t) => {
  const follower = startB();
  follower.step(from('a', { type: 'heartbeat', term: 1, commitOffset: 0, round: 0 }));
  for (const raft of [leadB(), follower]) {
    for (let id = 1; id <= readsMax; id += 1) {
      const effects = raft.step({ type: 'readIndex', id });
      if (answers(effects).length > 0) t.fail(`question ${id} has room`);
    }
    const effects = raft.step({ type: 'readIndex', id: readsMax + 1 });
    t.strictSame(effects, [{ type: 'readReady', id: readsMax + 1 }]);
  }
});
