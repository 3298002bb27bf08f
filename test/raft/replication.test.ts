/** The Raft paper, sections 5.3 and 5.4: a test for each "must". */
import t from 'tap';
import { lastOf, marksAfter, marksOf } from './marks.js';
import { Network } from './network.js';
import { appendOf, from, leadB, sent, startB, typesOf } from './single.js';

const genesis = { offset: 0, end: 0, term: 0, chain: 'genesis' };
const old = marksOf([1, 1, 2, 2, 2]);

t.test('5.3: an append is refused where the logs do not match, with what there is', async (t) => {
  const raft = startB(old);
  const beyond = { offset: 70, end: 80, term: 2, chain: 'beyond' };
  const other = { offset: 40, end: 50, term: 3, chain: 'other' };
  for (const previous of [beyond, other]) {
    const effects = raft.step(from('a', appendOf(4, previous, [])));
    const [reply] = sent(effects, 'appendReply');
    const terms = [
      { term: 1, startOffset: 0 },
      { term: 2, startOffset: 20 },
    ];
    t.match(reply, { to: 'a', term: 4, matchOffset: 0 });
    t.strictSame(reply?.rejection, { prevOffset: previous.end, endOffset: 50, terms });
  }
  t.equal(raft.endOffset, 50);
});

t.test('5.3: what contradicts the leader is cut off and written anew', async (t) => {
  const raft = startB(old);
  const marks = marksAfter(lastOf(old.slice(0, 3)), 3, [10, 10]);
  const effects = raft.step(
    from('a', appendOf(3, lastOf(old.slice(0, 2)), [...old.slice(2, 3), ...marks])),
  );
  t.strictSame(typesOf(effects), ['saveHardState', 'role', 'truncate', 'write']);
  t.match(effects.slice(2), [
    { offset: 30, generation: 1 },
    { marks, generation: 1 },
  ]);
  t.match(raft, { endOffset: 50, durableOffset: 30, generation: 1 });
  t.strictSame(raft.terms.at(-1), { term: 3, startOffset: 30 });
});

t.test('5.3: a repeated or late append never cuts a matching suffix', async (t) => {
  const raft = startB(old);
  for (const marks of [old.slice(0, 2), old.slice(0, 1), []]) {
    const effects = raft.step(from('a', appendOf(2, genesis, marks)));
    t.strictSame(
      typesOf(effects).filter((type) => type !== 'role'),
      ['appendReply'],
    );
  }
  t.match(raft, { endOffset: 50, generation: 0 });
  const [reply] = sent(raft.step(from('a', appendOf(2, genesis, old))), 'appendReply');
  t.equal(reply?.matchOffset, 50);
});

t.test('5.3: only what is behind the own end is written', async (t) => {
  const raft = startB(old.slice(0, 3));
  const effects = raft.step(from('a', appendOf(2, genesis, old)));
  t.match(effects.at(-1), { type: 'write', marks: old.slice(3), generation: 0 });
});

t.test('5.3: an acknowledgement follows the sync, and goes no further than it', async (t) => {
  const raft = startB();
  const effects = raft.step(from('a', appendOf(2, genesis, old)));
  t.strictSame(sent(effects, 'appendReply'), []);
  const replies = (offset: number) =>
    sent(raft.step({ type: 'synced', generation: 0, offset }), 'appendReply');
  t.match(replies(20), [{ to: 'a', matchOffset: 20 }]);
  t.strictSame(replies(20), [], 'no news, no answer');
  const [again] = sent(raft.step(from('a', appendOf(2, genesis, old))), 'appendReply');
  t.equal(again?.matchOffset, 20, 'written is not durable');
  t.match(replies(50), [{ to: 'a', matchOffset: 50 }]);
});

t.test('5.3: a sync from before a truncation counts for nothing', async (t) => {
  const raft = startB();
  raft.step(from('a', appendOf(2, genesis, old)));
  raft.step(
    from('c', appendOf(3, lastOf(old.slice(0, 1)), marksAfter(lastOf(old.slice(0, 1)), 3, [40]))),
  );
  t.equal(raft.generation, 1);
  t.strictSame(raft.step({ type: 'synced', generation: 0, offset: 50 }), []);
  t.equal(raft.durableOffset, 0);
  const effects = raft.step({ type: 'synced', generation: 1, offset: 50 });
  t.match(sent(effects, 'appendReply'), [{ to: 'c', matchOffset: 50 }]);
});

t.test('5.3: an acknowledgement goes to the leader of the term, and to nobody else', async (t) => {
  const raft = startB();
  raft.step(from('a', appendOf(2, genesis, old)));
  raft.step(from('c', { type: 'voteReply', term: 3, preVote: false, granted: false }));
  t.strictSame(raft.step({ type: 'synced', generation: 0, offset: 50 }), []);
  const effects = raft.step(from('c', { type: 'heartbeat', term: 3, commitOffset: 50, round: 0 }));
  t.strictSame(typesOf(effects), ['role', 'heartbeatReply'], 'nothing is matched with c yet');
});

/** Figure 7: logs that a new leader of term 8 may find, in batches of ten bytes. */
const figure7: readonly (readonly number[])[] = [
  [1, 1, 1, 4, 4, 5, 5, 6, 6],
  [1, 1, 1, 4],
  [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6],
  [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7],
  [1, 1, 1, 4, 4, 4, 4],
  [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3],
];

t.test("5.3, figure 7: whatever the followers have, their logs become the leader's", async (t) => {
  const voters = ['l', 'a', 'b', 'c', 'd', 'e', 'f'];
  const logs = [[1, 1, 1, 4, 4, 5, 5, 6, 6, 6], ...figure7];
  const network = new Network({ voters, core: { messageBytesMax: 20 } });
  for (const [index, id] of voters.entries()) {
    network.crash(id);
    // A batch is known by what led to it, so that equal prefixes are equal here too.
    network.node(id).disk.fill(marksOf(logs[index] ?? []), 7);
  }
  for (const id of voters) network.restart(id);
  network.elect('l');
  network.run();
  const { log, core } = network.node('l');
  t.equal(log.length, 11);
  for (const id of voters) {
    t.strictSame(network.node(id).disk.durable, log);
    t.equal(network.core(id).commitOffset, core.endOffset);
  }
});

t.test('5.3: a batch is committed once a quorum has it, whoever is slow', async (t) => {
  const network = new Network();
  network.elect('a');
  network.run();
  network.node('c').disk.held = true;
  network.propose('a', [10]);
  t.equal(network.core('a').commitOffset, 5);
  network.run();
  t.match(network.core('a'), { commitOffset: 15, endOffset: 15 });
  t.match(network.core('b'), { commitOffset: 15 });
  t.match(network.core('c'), { commitOffset: 15, durableOffset: 5 });
});

t.test('5.3: the leader counts itself only by its own sync', async (t) => {
  const network = new Network();
  network.isolate('c');
  network.elect('a');
  network.run();
  network.node('a').disk.held = true;
  network.propose('a', [10]);
  network.run();
  t.equal(network.core('b').durableOffset, 15);
  t.equal(network.core('a').commitOffset, 5);
  network.node('a').disk.held = false;
  network.work(network.node('a'));
  t.equal(network.core('a').commitOffset, 15);
});

t.test('5.3: what a follower commits it has matched with this leader', async (t) => {
  const raft = startB(old);
  const commits = (commitOffset: number) =>
    raft.step(from('a', { type: 'commit', term: 3, commitOffset }));
  t.notOk(
    commits(50).some(({ type }) => type === 'commit'),
    'its own suffix may be overwritten',
  );
  t.strictSame(commits(50), [], 'and nothing is answered');
  raft.step(from('a', appendOf(3, lastOf(old.slice(0, 2)), [], 50)));
  t.equal(raft.commitOffset, 20);
  raft.step(from('a', appendOf(3, lastOf(old.slice(0, 2)), old.slice(2, 4), 30)));
  t.equal(raft.commitOffset, 30, "nor further than the leader's");
  t.match(commits(45), [{ offset: 40 }]);
  t.strictSame(commits(10), [], 'and never back');
});

t.test('5.3: what was matched in a term outlives a campaign in it, but not the term', async (t) => {
  const raft = startB(old);
  raft.step(from('a', appendOf(3, lastOf(old), [])));
  raft.step(from('a', { type: 'timeoutNow', term: 2 }));
  for (let count = 0; count < 20; count += 1) raft.step({ type: 'tick' });
  t.equal(raft.role, 'candidate');
  raft.step(from('a', { type: 'heartbeat', term: 3, commitOffset: 20, round: 0 }));
  t.equal(raft.commitOffset, 20);
  raft.step(from('c', { type: 'heartbeat', term: 4, commitOffset: 40, round: 0 }));
  t.equal(raft.commitOffset, 20);
});

t.test('5.4.1: a vote goes only to a log that is up to date', async (t) => {
  const granted = (lastTerm: number, endOffset: number) => {
    const request = { type: 'voteRequest', term: 9, preVote: false, transfer: false } as const;
    const raft = startB(old);
    const effects = raft.step(from('a', { ...request, lastTerm, endOffset }));
    return sent(effects, 'voteReply')[0]?.granted;
  };
  t.equal(granted(1, 900), false, 'an older last term');
  t.equal(granted(2, 40), false, 'a shorter log');
  t.equal(granted(2, 50), true, 'the same log');
  t.equal(granted(2, 60), true, 'a longer log');
  t.equal(granted(3, 10), true, 'a later last term');
});

t.test(
  '5.4.1: what is not on disk counts neither for the voter nor for the candidate',
  async (t) => {
    const voter = startB(old.slice(0, 2));
    voter.step(from('a', appendOf(2, lastOf(old.slice(0, 2)), old.slice(2))));
    const request = { type: 'voteRequest', term: 9, preVote: false, transfer: true } as const;
    const effects = voter.step(from('c', { ...request, lastTerm: 1, endOffset: 20 }));
    t.equal(sent(effects, 'voteReply')[0]?.granted, true);

    const candidate = startB(old.slice(0, 2));
    candidate.step(from('a', appendOf(2, lastOf(old.slice(0, 2)), old.slice(2))));
    const asked = sent(candidate.step(from('a', { type: 'timeoutNow', term: 2 })), 'voteRequest');
    t.match(asked, [
      { lastTerm: 1, endOffset: 20 },
      { lastTerm: 1, endOffset: 20 },
    ]);
  },
);

t.test('5.4.2, figure 8: copies of an older term are not counted', async (t) => {
  const raft = leadB(old);
  t.match(raft, { term: 3, endOffset: 55, commitOffset: 0 });
  raft.step(from('a', { type: 'appendReply', term: 3, matchOffset: 50 }));
  raft.step(from('c', { type: 'appendReply', term: 3, matchOffset: 50 }));
  t.equal(raft.commitOffset, 0, 'everybody has them, and still a later term may overwrite them');
  const effects = raft.step(from('c', { type: 'appendReply', term: 3, matchOffset: 55 }));
  t.match(effects[0], { type: 'commit', offset: 55 });
});

t.test('5.4.3: a deposed leader loses what was not committed, and nothing else', async (t) => {
  const network = new Network();
  network.elect('a');
  network.run();
  network.propose('a', [10]);
  network.run();
  network.isolate('a');
  network.propose('a', [20, 30]);
  network.elect('b');
  network.propose('b', [40]);
  network.run();
  network.heal();
  network.pass(3);
  t.equal(network.leader?.id, 'b');
  t.match(network.effects('a', 'truncate'), [{ offset: 15, generation: 1 }]);
  t.strictSame(network.node('a').disk.durable, network.node('b').log);
  t.equal(network.core('a').commitOffset, network.core('b').endOffset);
});

t.test('5.5: a node that comes back takes up what it missed', async (t) => {
  const network = new Network();
  network.elect('a');
  network.crash('c');
  network.propose('a', [10, 20, 30]);
  network.run();
  network.restart('c');
  network.pass(3);
  t.strictSame(network.node('c').disk.durable, network.node('a').log);
  t.equal(network.core('c').commitOffset, 65);
});
