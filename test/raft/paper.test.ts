/** The Raft paper (Ongaro and Ousterhout 2014), sections 5.1 and 5.2: a test for each "must". */
import t from 'tap';
import { Network } from './network.js';
import { marksOf } from './marks.js';
import { appendOf, from, leadB, sent, startB, tick, typesOf } from './single.js';
import type { Message } from '../../server/raft/types.js';

const genesis = { offset: 0, end: 0, term: 0, chain: 'genesis' };

t.test('5.1: whoever sees a later term takes it over and follows', async (t) => {
  const later: Message = { type: 'heartbeat', term: 9, commitOffset: 0, round: 0 };
  const candidate = startB();
  tick(candidate, 20);
  t.equal(candidate.role, 'candidate');
  for (const raft of [startB(), candidate, leadB()]) {
    const effects = raft.step(from('a', later));
    t.match(effects.slice(0, 2), [
      { type: 'saveHardState', term: 9, vote: null },
      { type: 'role', role: 'follower', term: 9, leader: 'a' },
    ]);
    t.match(raft, { role: 'follower', term: 9, leader: 'a' });
  }
});

t.test('5.1: a request of an older term is refused, with the later term', async (t) => {
  const raft = startB([], { term: 5 });
  const vote = {
    type: 'voteRequest',
    term: 4,
    lastTerm: 9,
    endOffset: 99,
    transfer: false,
  } as const;
  for (const preVote of [true, false]) {
    const [reply] = sent(raft.step(from('a', { ...vote, preVote })), 'voteReply');
    t.match(reply, { to: 'a', term: 5, granted: false });
  }
  for (const message of [
    appendOf(4, genesis, marksOf([4])),
    { type: 'heartbeat', term: 4, commitOffset: 0, round: 3 } as const,
    { type: 'commit', term: 4, commitOffset: 0 } as const,
  ]) {
    t.match(raft.step(from('a', message)), [
      { to: 'a', message: { term: 5, type: 'heartbeatReply' } },
    ]);
  }
  t.match(raft, { term: 5, leader: null, endOffset: 0 });
});

t.test('5.1: an answer of an older term counts for nothing', async (t) => {
  const raft = leadB(marksOf([1, 2]));
  raft.step(from('a', { type: 'appendReply', term: 2, matchOffset: 20 }));
  t.equal(raft.progress('a')?.matchOffset, 0);
  const restarted = startB([], { term: 3 });
  tick(restarted, 20);
  restarted.step(from('a', { type: 'voteReply', term: 4, preVote: true, granted: true }));
  t.equal(restarted.term, 4);
  restarted.step(from('c', { type: 'voteReply', term: 3, preVote: false, granted: true }));
  t.equal(restarted.role, 'candidate');
});

t.test('5.2: a follower that hears nobody campaigns, after a timeout of its own', async (t) => {
  const waited = new Set<number>();
  for (let seed = 1; seed <= 60; seed += 1) {
    const network = new Network({ seed });
    let ticks = 0;
    while (network.core('b').role === 'follower') {
      network.tick('b');
      ticks += 1;
    }
    waited.add(ticks);
  }
  t.equal(Math.min(...waited), 10);
  t.equal(Math.max(...waited), 19);
  t.equal(waited.size, 10, 'any number of ticks in [n, 2n)');
});

t.test('5.2: a candidate raises its term, votes for itself and asks everybody', async (t) => {
  const raft = startB(marksOf([1, 1, 2]));
  tick(raft, 20);
  const effects = raft.step(
    from('c', { type: 'voteReply', term: 3, preVote: true, granted: true }),
  );
  const request = { type: 'voteRequest', term: 3, preVote: false, lastTerm: 2, endOffset: 30 };
  t.match(effects.slice(0, 2), [
    { type: 'saveHardState', term: 3, vote: 'b' },
    { type: 'role', role: 'candidate', term: 3, leader: null },
  ]);
  const requests = effects.filter((effect) => effect.type === 'send');
  t.same(requests.map(({ to }) => to).toSorted(), ['a', 'c']);
  for (const { message } of requests) t.match(message, request);
  t.equal(effects.length, 4);
});

t.test('5.2: a node votes once a term, first come first served, even across a crash', async (t) => {
  const request: Message = {
    type: 'voteRequest',
    term: 3,
    preVote: false,
    lastTerm: 0,
    endOffset: 0,
    transfer: false,
  };
  const network = new Network();
  const ask = (candidate: string) => {
    network.wire = [];
    network.step('b', from(candidate, request));
    return network.wire.map((parcel) => parcel.message);
  };
  t.match(ask('a'), [{ type: 'voteReply', granted: true }]);
  t.match(ask('c'), [{ type: 'voteReply', granted: false }]);
  network.crash('b');
  network.restart('b');
  t.match(ask('c'), [{ type: 'voteReply', granted: false }]);
  t.match(ask('a'), [{ type: 'voteReply', granted: true }], 'the same candidate may ask again');
});

t.test('5.2, figure 2: term and vote are stored before anything is said about them', async (t) => {
  const raft = startB();
  const request = { type: 'voteRequest', lastTerm: 0, endOffset: 0, transfer: false } as const;
  t.strictSame(typesOf(raft.step(from('a', { ...request, term: 2, preVote: false }))), [
    'saveHardState',
    'role',
    'voteReply',
  ]);
  t.strictSame(
    typesOf(raft.step(from('c', { type: 'voteReply', term: 3, preVote: false, granted: false }))),
    ['saveHardState', 'role'],
  );
  const inTerm = raft.step(from('c', { ...request, term: 3, preVote: false }));
  t.strictSame(typesOf(inTerm), ['saveHardState', 'voteReply']);
  t.match(inTerm[0], { term: 3, vote: 'c' });
});

t.test('5.2: a majority makes a leader, which asks for a no-op before all else', async (t) => {
  const network = new Network({ voters: ['a', 'b', 'c', 'd', 'e'] });
  network.isolate('d');
  network.isolate('e');
  network.elect('a');
  t.equal(network.leader?.id, 'a');
  network.run();
  t.equal(network.core('c').commitOffset, 5);
  t.equal(network.core('b').leader, 'a');
  t.equal(network.core('d').leader, null);
});

t.test('5.2: without a majority nobody leads', async (t) => {
  const network = new Network();
  network.isolate('a');
  network.tick('a', 100);
  t.match(network.core('a'), { role: 'candidate', term: 0 });
});

t.test('5.2: half of the voters are no majority, neither to lead nor to commit', async (t) => {
  const network = new Network({ voters: ['a', 'b', 'c', 'd'] });
  network.cut('a', 'c');
  network.cut('a', 'd');
  network.tick('a', 100);
  network.run();
  t.equal(network.core('a').role, 'candidate');
  network.heal();
  network.elect('a');
  network.isolate('c');
  network.isolate('d');
  network.propose('a', [10]);
  network.run();
  t.match(network.core('a'), { commitOffset: 5, endOffset: 15 });
});

t.test('5.2: votes of learners and repeated votes are not counted', async (t) => {
  const network = new Network({ voters: ['a', 'b', 'c', 'd', 'e'], learners: ['x'] });
  network.tick('a', 20);
  for (const voter of ['b', 'b', 'x', 'x']) {
    network.step('a', from(voter, { type: 'voteReply', term: 1, preVote: true, granted: true }));
  }
  t.equal(network.core('a').term, 0);
  network.step('a', from('c', { type: 'voteReply', term: 1, preVote: true, granted: true }));
  t.equal(network.core('a').term, 1);
  network.tick('x', 100);
  t.equal(network.core('x').role, 'follower', 'a learner never campaigns');
});

t.test('5.2: a candidate that hears the leader of its term follows it', async (t) => {
  const raft = startB([], { term: 2 });
  tick(raft, 20);
  raft.step(from('c', { type: 'voteReply', term: 3, preVote: true, granted: true }));
  t.match(raft, { role: 'candidate', term: 3 });
  raft.step(from('a', { type: 'heartbeat', term: 3, commitOffset: 0, round: 0 }));
  t.match(raft, { role: 'follower', term: 3, leader: 'a' });
  raft.step(from('c', { type: 'voteReply', term: 3, preVote: false, granted: true }));
  t.equal(raft.role, 'follower', 'a vote that comes late elects nobody');
});

t.test('5.2: a split vote ends in another election, with timeouts drawn anew', async (t) => {
  const network = new Network({ voters: ['a', 'b', 'c', 'd'] });
  for (const id of ['a', 'b']) {
    network.step(id, from('c', { type: 'voteReply', term: 0, preVote: true, granted: false }));
  }
  network.passes = ({ message, to }) =>
    message.type !== 'voteReply' || message.preVote || network.core(to).term > 1;
  network.pass(100);
  t.ok(network.leader, 'somebody wins in the end');
  t.ok(Number(network.leader?.core.term) > 1);
});

t.test('5.2: heartbeats keep the followers from campaigning', async (t) => {
  const network = new Network();
  network.elect('b');
  network.run();
  const { term } = network.core('b');
  network.history.length = 0;
  network.pass(200);
  t.equal(network.leader?.id, 'b');
  t.equal(network.core('a').term, term);
  t.notOk(network.history.some(({ effect }) => effect.type === 'role'));
});

t.test('5.2: a single voter leads at its first tick', async (t) => {
  const network = new Network({ voters: ['a'], learners: ['x'] });
  network.tick('a');
  t.match(network.core('a'), { role: 'leader', term: 1, leader: 'a', commitOffset: 5 });
  network.run();
  t.equal(network.core('x').commitOffset, 5);
});
