/** A node that has lost what it promised comes back as another: what it does, and what it must not. */
import t from 'tap';
import type { Message } from '../../server/raft/types.js';
import { lastOf, marksAfter, marksOf } from './marks.js';
import { Network } from './network.js';
import {
  appendOf,
  from,
  leadB,
  come,
  optionsOfB,
  sent,
  startB,
  strangerB,
  tick,
  typesOf,
} from './single.js';

const held = marksOf([1, 1, 2]);
const request = {
  type: 'voteRequest',
  preVote: false,
  lastTerm: 9,
  endOffset: 99,
  transfer: true,
} as const;

function welcome(term: number, incarnation = 2): Message {
  return { type: 'welcome', term, incarnation };
}

function forgotten(incarnation: number): Message {
  return { type: 'forgotten', term: 0, incarnation };
}

t.test('who is not admitted neither votes, acknowledges, answers nor campaigns', async (t) => {
  const messages: Message[] = [
    { ...request, term: 5 },
    { ...request, term: 5, preVote: true },
    appendOf(5, lastOf(held), marksAfter(lastOf(held), 5, [10])),
    { type: 'heartbeat', term: 5, commitOffset: 30, round: 3 },
    { type: 'readIndexRequest', term: 5, id: 1 },
    { type: 'timeoutNow', term: 5 },
    { type: 'voteReply', term: 5, preVote: false, granted: true },
    welcome(5, 3),
    welcome(1),
  ];
  const raft = strangerB(held);
  t.match(raft, { admitted: false, incarnation: 2, term: 2 });
  for (const message of messages) t.strictSame(raft.step(from('a', message)), [], message.type);
  t.strictSame(tick(raft, 100), []);
  t.match(raft.state, { term: 2, vote: null, role: { type: 'follower', leader: null } });
  t.match(raft.step({ type: 'readIndex', id: 1 }), [{ type: 'readReady', id: 1 }]);
});

t.test('a welcome is durable before anything else, and makes it a follower', async (t) => {
  const raft = strangerB(held);
  const effects = raft.step(from('a', welcome(4)));
  t.match(effects, [
    { type: 'saveHardState', term: 4, vote: 'a', admitted: 2 },
    { type: 'role', role: 'follower', term: 4, leader: 'a' },
    { to: 'a', message: { type: 'heartbeatReply', term: 4, round: 0 } },
  ]);
  t.equal(effects.length, 3);
  t.equal(raft.admitted, true);
  const append = appendOf(4, lastOf(held), marksAfter(lastOf(held), 4, [10]));
  t.strictSame(typesOf(raft.step(from('a', append))), ['write'], 'the log it kept is matched');
});

t.test('who was welcomed votes in later terms only', async (t) => {
  for (const kept of [held, marksOf([4])]) {
    const raft = strangerB(kept);
    raft.step(from('a', welcome(4)));
    const ask = (term: number) => sent(raft.step(from('c', { ...request, term })), 'voteReply')[0];
    t.match(ask(4), { term: 4, granted: false }, "this term's vote is the leader's");
    t.match(ask(5), { term: 5, granted: true });
  }
});

t.test('a welcome is answered each time, and changes nothing for who knows it', async (t) => {
  const raft = strangerB(held);
  raft.step(from('a', welcome(4)));
  const before = structuredClone(raft.state);
  t.match(raft.step(from('a', welcome(4))), [{ to: 'a', message: { type: 'heartbeatReply' } }]);
  t.strictSame(raft.step(from('a', welcome(9, 3))), [], 'it was meant for another');
  t.strictSame({ ...raft.state, links: [] }, { ...before, links: [] });
  t.match(raft.step(from('c', welcome(3))), [{ to: 'c', message: { term: 4, round: 0 } }]);
  raft.step(from('c', welcome(6)));
  t.match(raft, { term: 6, leader: 'c', admitted: true }, 'it comes from the leader of a term');
});

t.test('who is forgotten gives up what it is, and does nothing before it is another', async (t) => {
  const raft = leadB(held);
  raft.step({ type: 'readIndex', id: 8 });
  raft.step({ type: 'transfer', to: 'c' });
  t.strictSame(raft.step(from('a', forgotten(2))), [], 'it was meant for another');
  const effects = raft.step(from('a', forgotten(1)));
  t.match(effects, [
    { type: 'role', role: 'follower', term: 3, leader: null },
    { type: 'readReady', id: 8 },
    { type: 'transferEnded', to: 'c', ok: false },
    { type: 'rejoin' },
  ]);
  t.equal(effects.length, 4);
  t.match(raft, { admitted: false, incarnation: 1, role: 'follower' });
  for (const message of [forgotten(1), welcome(9, 1), { ...request, term: 9 }]) {
    t.strictSame(raft.step(from('a', message)), []);
  }
  t.strictSame(tick(raft, 100), []);
});

t.test('the next incarnation keeps the log, and no promise', async (t) => {
  const raft = startB(held, { term: 7 });
  raft.step(from('a', appendOf(7, lastOf(held), [])));
  raft.step(from('a', forgotten(1)));
  t.match(raft.step({ type: 'rejoined', incarnation: 2 }), [
    { type: 'saveHardState', term: 2, vote: null, admitted: null },
    { type: 'role', role: 'follower', term: 2, leader: null },
  ]);
  t.match(raft, { admitted: false, incarnation: 2, endOffset: 30 });
  t.equal(raft.state.matchedOffset, 0);
  raft.step(from('a', welcome(2)));
  t.match(raft, { admitted: true, term: 2, leader: 'a' }, 'by a leader of an earlier term');
});

t.test('a node that decides by itself is never forgotten', async (t) => {
  const configuration = { voters: ['b'], learners: ['a'] };
  const raft = startB(held, { options: { ...optionsOfB, configuration } });
  t.strictSame(raft.step(from('a', forgotten(1))), []);
  t.equal(raft.admitted, true);
});

t.test('a wiped node comes back with everything', async (t) => {
  for (const learners of [[], ['x']]) {
    const network = new Network({ learners });
    network.elect('a');
    network.propose('a', [10, 20]);
    network.run();
    const id = learners[0] ?? 'c';
    network.wipe(id);
    network.restart(id);
    t.match(network.core(id), { admitted: false, endOffset: 0 });
    network.pass(10);
    t.match(network.core(id), { admitted: true, incarnation: 2, commitOffset: 38 });
    t.strictSame(network.node(id).disk.durable, network.node('a').log);
    for (const node of network.all) t.equal(node.core.admittedIncarnation(id), 2);
    network.elect('b');
    network.crash('a');
    network.pass(10);
    t.equal(network.core('b').commitOffset, 43);
  }
});

t.test('a lone survivor of three cannot admit anybody', async (t) => {
  const network = new Network();
  network.elect('a');
  network.run();
  network.crash('b');
  network.wipe('c');
  network.restart('c');
  network.pass(50);
  t.match(network.core('a'), { commitOffset: 5 });
  t.equal(network.core('c').admitted, false);
  t.equal(network.leader, undefined);
  network.restart('b');
  network.pass(50);
  t.match(network.core('c'), { admitted: true, commitOffset: network.leader?.core.endOffset });
});

t.test('an admission that nobody knows to be committed does not stop who was told', async (t) => {
  const network = new Network();
  network.elect('a');
  network.run();
  network.wipe('c');
  network.passes = ({ to, message }) =>
    to === 'c' || !('commitOffset' in message) || message.commitOffset < 8;
  network.restart('c');
  network.pass(4);
  network.passes = () => true;
  t.match(network.core('c'), { admitted: true });
  t.match(network.core('b'), { commitOffset: 5, endOffset: 8 });
  network.crash('a');
  network.pass(60);
  t.match(network.leader?.core, { commitOffset: 13 }, 'two of three go on');
});

t.test('an older copy is noticed by the leader, which knows how far the node was', async (t) => {
  const network = new Network();
  network.elect('a');
  network.run();
  const copy = network.node('c').disk.image();
  network.propose('a', [10]);
  network.run();
  network.putBack('c', copy);
  network.restart('c');
  network.run();
  const told = network.effects('a', 'send').filter(({ message }) => message.type === 'forgotten');
  t.match(told, [{ to: 'c', message: { incarnation: 1 } }]);
  network.pass(10);
  t.match(network.core('c'), { incarnation: 2, admitted: true, commitOffset: 18 });
});

t.test('an older copy is noticed by any node, which knows what term the node was in', async (t) => {
  const network = new Network();
  network.elect('a');
  network.run();
  const copy = network.node('c').disk.image();
  network.elect('c');
  network.run();
  network.isolate('a');
  network.putBack('c', copy);
  network.restart('c');
  network.run();
  t.match(network.core('c'), { incarnation: 2, admitted: false });
  t.match(network.effects('b', 'send').at(-1)?.message, { type: 'forgotten', incarnation: 1 });
  network.heal();
  network.pass(60);
  t.match(network.core('c'), { admitted: true, commitOffset: network.leader?.core.endOffset });
});

t.test('an older copy is noticed although it has been told of a later term since', async (t) => {
  const raft = startB(held, { term: 4 });
  raft.step(from('c', { type: 'voteReply', term: 4, preVote: false, granted: false }));
  const told = [{ to: 'c', message: { type: 'forgotten', incarnation: 1 } }];
  t.match(come(raft, 'c', { startTerm: 3, term: 6, durableOffset: 30 }), told);
});

t.test('a process that was told of later terms since it started is no older copy', async (t) => {
  const raft = startB(held, { term: 4 });
  const state = { process: 7, startTerm: 4, durableOffset: 30 };
  come(raft, 'c', { ...state, term: 4 });
  raft.step(from('c', { type: 'voteReply', term: 6, preVote: false, granted: false }));
  t.strictSame(come(raft, 'c', { ...state, term: 6 }), []);
  const told = [{ message: { type: 'forgotten' } }];
  t.match(come(raft, 'c', { ...state, process: 8, term: 6 }), told, 'but the next one is');
});

t.test('who has forgotten something is told until it is gone, and heard by nobody', async (t) => {
  const raft = startB(held, { term: 4 });
  raft.step(from('c', { type: 'voteReply', term: 4, preVote: false, granted: false }));
  const older = { term: 3, durableOffset: 30 };
  const told = [{ to: 'c', message: { type: 'forgotten', term: 4, incarnation: 1 } }];
  t.match(come(raft, 'c', older), told);
  t.match(tick(raft, 2), told);
  t.strictSame(raft.step(from('c', { ...request, term: 9 })), []);
  t.match(come(raft, 'c', { ...older, term: 9 }), told, 'whatever it says later');
  raft.step(from('c', forgotten(1)));
  t.equal(raft.admitted, false, 'except that it may know better itself');
});

t.test('a pre-vote and its grant tell nothing of the term that a node is in', async (t) => {
  const raft = startB(held, { term: 4 });
  raft.step(from('a', { ...request, term: 6, preVote: true }));
  raft.step(from('a', { type: 'voteReply', term: 6, preVote: true, granted: true }));
  t.strictSame(come(raft, 'a', { term: 5 }), []);
  raft.step(from('a', { type: 'voteReply', term: 5, preVote: true, granted: false }));
  t.match(come(raft, 'a', { term: 4 }), [{ message: { type: 'forgotten' } }]);
});
