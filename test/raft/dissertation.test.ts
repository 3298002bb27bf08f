/** Ongaro's dissertation: check-quorum (6.2), pre-vote (9.6), leadership transfer (3.10). */
import t from 'tap';
import { marksOf } from './marks.js';
import { Network } from './network.js';
import {
  appendOf,
  from,
  leadB,
  linkDown,
  optionsOfB,
  sent,
  startB,
  tick,
  typesOf,
} from './single.js';

const genesis = { offset: 0, end: 0, term: 0, chain: 'genesis' };
const request = { type: 'voteRequest', lastTerm: 9, endOffset: 999, transfer: false } as const;

t.test('9.6: a granted pre-vote changes nothing, and carries the term asked for', async (t) => {
  const raft = startB(marksOf([1]));
  const before = structuredClone(raft.state);
  const effects = raft.step(from('a', { ...request, term: 2, preVote: true }));
  t.match(effects, [
    { to: 'a', message: { type: 'voteReply', term: 2, preVote: true, granted: true } },
  ]);
  t.equal(effects.length, 1);
  t.strictSame(raft.state, before);
  raft.step(from('c', { ...request, term: 2, preVote: false }));
  t.match(raft.state, { term: 2, vote: 'c' }, 'the vote is still free');
});

t.test('9.6: a granted pre-vote does not count as hearing a leader', async (t) => {
  const raft = startB();
  for (let count = 0; count < 20; count += 1) {
    tick(raft);
    raft.step(from('a', { ...request, term: 1, preVote: true }));
  }
  t.equal(raft.role, 'candidate');
});

t.test('9.6: a pre-vote is refused to a log that is behind, with the own term', async (t) => {
  const raft = startB(marksOf([3, 3]));
  const behind = { ...request, term: 7, preVote: true, lastTerm: 3, endOffset: 10 };
  t.match(sent(raft.step(from('a', behind)), 'voteReply'), [
    { term: 3, preVote: true, granted: false },
  ]);
});

t.test('9.6: a pre-vote in a term whose vote is given is refused', async (t) => {
  const raft = startB();
  raft.step(from('a', { ...request, term: 2, preVote: false }));
  const ask = (node: string) =>
    sent(raft.step(from(node, { ...request, term: 2, preVote: true })), 'voteReply')[0];
  t.match(ask('c'), { term: 2, granted: false });
  t.match(ask('a'), { term: 2, granted: true });
});

t.test('9.6: without a quorum of pre-votes the term stays', async (t) => {
  const network = new Network();
  network.elect('a');
  network.run();
  network.isolate('c');
  network.tick('c', 200);
  t.match(network.core('c'), { role: 'candidate', term: 1, leader: null });
  network.heal();
  network.pass(30);
  t.match(network.core('c'), { role: 'follower', term: 1, leader: 'a' });
  t.equal(network.leader?.id, 'a', 'who comes back disturbs nobody');
});

t.test('9.6: a pre-vote that was granted for another term is not counted', async (t) => {
  const raft = startB([], { term: 4 });
  tick(raft, 20);
  raft.step(from('a', { type: 'voteReply', term: 7, preVote: true, granted: true }));
  t.match(raft, { role: 'candidate', term: 4 });
  raft.step(from('a', { type: 'voteReply', term: 5, preVote: true, granted: false }));
  t.match(raft, { role: 'follower', term: 5 }, 'a refusal brings the later term');
});

t.test('6.2: whoever hears a leader refuses votes and pre-votes, and keeps its term', async (t) => {
  const raft = startB();
  raft.step(from('a', appendOf(1, genesis, [])));
  tick(raft, 9);
  for (const preVote of [true, false]) {
    const effects = raft.step(from('c', { ...request, term: 5, preVote }));
    t.match(effects, [{ to: 'c', message: { type: 'voteReply', term: 1, granted: false } }]);
  }
  t.equal(raft.term, 1);
  tick(raft);
  const [reply] = sent(raft.step(from('c', { ...request, term: 5, preVote: false })), 'voteReply');
  t.match(reply, { term: 5, granted: true }, 'after the shortest timeout it is free again');
});

t.test('6.2: in a term with a leader nobody else gets the vote', async (t) => {
  const raft = startB([], { options: { ...optionsOfB, seed: 8 } });
  raft.step(from('a', appendOf(1, genesis, [])));
  tick(raft, 10);
  t.equal(raft.role, 'follower');
  const [reply] = sent(raft.step(from('c', { ...request, term: 1, preVote: false })), 'voteReply');
  t.match(reply, { term: 1, granted: false });
});

t.test('6.2: a leader refuses votes, except for a transfer', async (t) => {
  const raft = leadB();
  const ask = (transfer: boolean) =>
    sent(raft.step(from('c', { ...request, term: 5, preVote: false, transfer })), 'voteReply')[0];
  t.match(ask(false), { term: 1, granted: false });
  t.match(ask(true), { term: 5, granted: true });
  t.match(raft, { role: 'follower', term: 5, leader: null });
});

t.test('6.2: a leader that hears no quorum steps down in its term', async (t) => {
  const raft = leadB();
  tick(raft, 5);
  raft.step(from('a', { type: 'heartbeatReply', term: 1, round: 0 }));
  tick(raft, 9);
  t.equal(raft.role, 'leader');
  const effects = tick(raft);
  t.match(effects, [{ type: 'role', role: 'follower', term: 1, leader: null }]);
});

t.test('6.2: learners do not keep a leader in office', async (t) => {
  const network = new Network({ learners: ['x'] });
  network.elect('a');
  network.run();
  network.cut('a', 'b');
  network.cut('a', 'c');
  for (let count = 0; count < 12; count += 1) {
    network.tick('a');
    network.run();
  }
  t.equal(network.core('a').role, 'follower');
  t.match(network.core('x'), { leader: 'a', commitOffset: 5 });
  network.tick('x', 20);
  t.match(network.core('x'), { role: 'follower', leader: null }, 'it forgets the leader in time');
});

t.test('6.2: a node that restarts has no leader, and may vote at once', async (t) => {
  const network = new Network();
  network.elect('a');
  network.run();
  network.crash('b');
  network.restart('b');
  t.match(network.core('b'), { role: 'follower', leader: null, term: 1, endOffset: 5 });
  network.wire = [];
  network.step('b', from('c', { ...request, term: 2, preVote: true }));
  t.match(network.wire, [{ message: { granted: true } }]);
});

t.test('6.2: a leader from before is told that there is a later term', async (t) => {
  const network = new Network();
  network.elect('a');
  network.run();
  network.isolate('a');
  network.elect('b');
  t.equal(network.core('a').role, 'leader', 'it cannot know');
  network.heal();
  network.pass(3);
  t.match(network.core('a'), { role: 'follower', term: 2, leader: 'b' });
});

t.test('3.10: leadership goes to the node that is named, without a pre-vote', async (t) => {
  const network = new Network();
  network.elect('a');
  network.run();
  network.propose('a', [10]);
  network.history.length = 0;
  network.step('a', { type: 'transfer', to: 'c' });
  t.equal(network.core('a').transferring, true);
  network.run();
  t.match(network.core('c'), { role: 'leader', term: 2 });
  t.match(network.effects('a', 'transferEnded'), [{ to: 'c', ok: true }]);
  t.equal(network.core('a').transferring, false);
  t.notOk(
    network.history.some(
      ({ effect }) =>
        effect.type === 'send' && effect.message.type === 'voteRequest' && effect.message.preVote,
    ),
  );
});

t.test('3.10: unless one is named it goes to the voter that is furthest', async (t) => {
  const network = new Network({ voters: ['a', 'b', 'c', 'd', 'e'], learners: ['x'] });
  network.elect('a');
  network.run();
  for (const id of ['b', 'd', 'e']) network.node(id).disk.held = true;
  network.cut('a', 'e');
  network.propose('a', [10]);
  network.run();
  network.step('a', { type: 'transfer' });
  network.run();
  t.equal(network.leader?.id, 'c');
});

t.test(
  '3.10: the target is told once, when it has everything, and nothing is proposed meanwhile',
  async (t) => {
    const raft = leadB();
    t.strictSame(raft.step({ type: 'transfer', to: 'c' }), []);
    t.throws(
      () => raft.step({ type: 'propose', marks: [{ offset: 5, end: 9, term: 1, chain: 'x' }] }),
      /hands over/,
    );
    t.strictSame(raft.step({ type: 'transfer', to: 'c' }), [], 'asked again, it goes on');
    const reply = from('c', { type: 'appendReply', term: 1, matchOffset: 5 });
    t.match(sent(raft.step(reply), 'timeoutNow'), [{ to: 'c', term: 1 }]);
    t.strictSame(sent(raft.step(reply), 'timeoutNow'), []);
  },
);

t.test('3.10: after an election timeout the transfer is over and appends go on', async (t) => {
  const network = new Network();
  network.elect('a');
  network.run();
  network.cut('a', 'c');
  network.step('a', { type: 'transfer', to: 'c' });
  network.pass(9);
  t.equal(network.core('a').transferring, true);
  network.pass(1);
  t.match(network.effects('a', 'transferEnded'), [{ to: 'c', ok: false }]);
  network.propose('a', [10]);
  network.run();
  t.equal(network.core('a').commitOffset, 15);
});

t.test('3.10: a transfer to another node ends the one before', async (t) => {
  const raft = leadB();
  raft.step({ type: 'transfer', to: 'c' });
  t.match(raft.step({ type: 'transfer', to: 'a' }), [
    { type: 'transferEnded', to: 'c', ok: false },
  ]);
  t.equal(raft.transferring, true);
});

t.test('3.10: a transfer that cannot be is refused at once', async (t) => {
  const leader = leadB();
  const ended = (to: string) => [{ type: 'transferEnded', to, ok: false }];
  t.strictSame(leader.step({ type: 'transfer', to: 'b' }), ended('b'));
  t.strictSame(leader.step({ type: 'transfer', to: 'z' }), ended('z'));
  for (const peer of ['a', 'c']) leader.step(linkDown(peer));
  t.strictSame(leader.step({ type: 'transfer' }), ended('b'), 'nobody can be reached');
  t.strictSame(startB().step({ type: 'transfer' }), ended('b'), 'not the leader');
  t.strictSame(startB().step({ type: 'transfer', to: 'c' }), ended('c'));
});

t.test('3.10: a leader that is elected again itself has not handed over', async (t) => {
  const network = new Network();
  network.elect('a');
  network.run();
  network.passes = ({ message }) => message.type !== 'timeoutNow';
  network.step('a', { type: 'transfer', to: 'c' });
  network.step('a', from('b', { type: 'voteReply', term: 2, preVote: false, granted: false }));
  t.equal(network.core('a').transferring, false, 'it does not lead');
  network.step('a', from('b', { type: 'timeoutNow', term: 2 }));
  t.equal(network.core('a').role, 'follower', 'only the leader can say so');
  network.join('a', 'b');
  t.strictSame(network.effects('a', 'transferEnded'), []);
  network.tick('a', 10);
  t.match(network.effects('a', 'transferEnded'), [{ to: 'c', ok: false }]);
});

t.test('a leader whose disk hangs steps down, and does not campaign', async (t) => {
  const network = new Network();
  network.elect('a');
  network.run();
  network.node('a').disk.held = true;
  network.pass(15);
  t.equal(network.core('a').role, 'leader', 'nothing to sync, nothing hangs');
  network.propose('a', [10]);
  network.pass(9);
  t.equal(network.core('a').role, 'leader');
  network.pass(1);
  t.equal(network.core('a').role, 'follower');
  network.tick('a', 100);
  t.equal(network.core('a').role, 'follower');
  network.step('a', from('b', { type: 'heartbeat', term: 2, commitOffset: 0, round: 0 }));
  network.step('a', from('b', { type: 'timeoutNow', term: 2 }));
  t.equal(network.core('a').role, 'follower', 'not even if it is asked to');
  network.node('a').disk.held = false;
  network.work(network.node('a'));
  network.tick('a', 20);
  t.equal(network.core('a').role, 'candidate');
});

t.test('a candidate whose disk hangs does not campaign again', async (t) => {
  const raft = startB();
  raft.step(from('a', appendOf(1, genesis, marksOf([1]))));
  raft.step(from('a', { type: 'timeoutNow', term: 1 }));
  t.match(raft, { role: 'candidate', term: 2 });
  t.strictSame(tick(raft, 40), []);
  t.strictSame(raft.step(from('a', { type: 'timeoutNow', term: 2 })), [], 'it follows nobody');
});

t.test('a disk that is slow but moves keeps its leader', async (t) => {
  const raft = leadB();
  const marks = [10, 11, 12, 13].map((end) => ({
    offset: end === 10 ? 5 : end - 1,
    end,
    term: 1,
    chain: `${end}`,
  }));
  raft.step({ type: 'propose', marks });
  for (const { end } of marks) {
    tick(raft, 4);
    raft.step(from('a', { type: 'heartbeatReply', term: 1, round: 0 }));
    tick(raft, 5);
    raft.step({ type: 'synced', generation: 0, offset: end });
    t.equal(raft.role, 'leader');
  }
});

t.test('roles are told when they change, and only then', async (t) => {
  const raft = startB();
  t.strictSame(typesOf(tick(raft, 20)).filter((type) => type === 'role').length, 1);
  t.strictSame(
    typesOf(tick(raft, 20)).filter((type) => type === 'role').length,
    0,
    'a candidate still',
  );
  t.strictSame(typesOf(raft.step(from('a', appendOf(1, genesis, [])))), [
    'saveHardState',
    'role',
    'appendReply',
  ]);
  t.strictSame(typesOf(raft.step(from('a', appendOf(1, genesis, [])))), ['appendReply']);
});
