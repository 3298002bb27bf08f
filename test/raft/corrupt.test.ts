/** What Raft proves impossible is reported, and what the driver may not do is refused. */
import t from 'tap';
import { Raft } from '../../server/raft/raft.js';
import type { Message } from '../../server/raft/types.js';
import { SimulatedDisk } from './disk.js';
import { lastOf, marksAfter, marksOf } from './marks.js';
import { appendOf, from, leadB, come, optionsOfB, startB, tick } from './single.js';

const genesis = { offset: 0, end: 0, term: 0, chain: 'genesis' };
const held = marksOf([1, 1, 2, 2]);

function corruption(raft: Raft, message: Message, node = 'a') {
  const { endOffset, commitOffset } = raft;
  const effects = raft.step(from(node, message));
  t.match(raft, { endOffset, commitOffset }, 'the log is left as it was');
  return effects.filter((effect) => effect.type === 'corrupt');
}

t.test('a leader that would overwrite what is committed is not believed', async (t) => {
  const [first, third] = [held.slice(0, 1), held.slice(0, 3)];
  const cases: [Message, RegExp][] = [
    [appendOf(3, lastOf(first), marksAfter(lastOf(first), 3, [10])), /overwrites/],
    [appendOf(3, { offset: 10, end: 20, term: 3, chain: '?' }, []), /lacks/],
    [appendOf(3, { ...lastOf(held), chain: '?' }, []), /differ within a term/],
    [appendOf(3, lastOf(third), [{ ...lastOf(held), chain: '?' }]), /two batches at one offset/],
    [appendOf(3, lastOf(held), marksAfter({ ...lastOf(held), end: 50 }, 3, [5])), /do not follow/],
    [appendOf(3, lastOf(held), marksAfter(lastOf(held), 1, [5])), /do not follow/],
    [appendOf(3, lastOf(held), marksAfter(lastOf(held), 4, [5])), /do not follow/],
    [appendOf(3, lastOf(held), marksAfter(lastOf(held), 3, [0])), /do not follow/],
  ];
  for (const [message, reason] of cases) {
    t.match(corruption(startB(held, { commitOffset: 20 }), message), [{ reason }]);
  }
});

t.test('a batch that ends where the own one of its term does not is impossible', async (t) => {
  const longer = { ...lastOf(held), end: 60 };
  const message = appendOf(3, lastOf(held.slice(0, 3)), [longer]);
  t.match(corruption(startB(held), message), [{ offset: 30, reason: /two batches/ }]);
});

t.test('what was matched with a leader it cannot take back', async (t) => {
  const raft = startB(held);
  raft.step(from('a', appendOf(3, lastOf(held), [])));
  const other = appendOf(
    3,
    lastOf(held.slice(0, 3)),
    marksAfter(lastOf(held.slice(0, 3)), 3, [10]),
  );
  t.match(corruption(raft, other), [{ offset: 30 }]);
});

t.test('a term has one leader', async (t) => {
  const heartbeat: Message = { type: 'heartbeat', term: 3, commitOffset: 0, round: 0 };
  const raft = startB(held, { term: 3 });
  raft.step(from('a', heartbeat));
  t.match(corruption(raft, heartbeat, 'c'), [{ reason: /two leaders in term 3/ }]);
  const commit: Message = { type: 'commit', term: 3, commitOffset: 0 };
  t.match(corruption(raft, commit, 'c'), [{ reason: /two leaders in term 3/ }]);
  t.match(corruption(raft, appendOf(3, lastOf(held), []), 'c'), [{ reason: /two leaders/ }]);
  t.match(corruption(leadB(held), heartbeat), [{ reason: /two leaders/ }]);
});

t.test(
  'a follower cannot have what the leader has not, nor another beginning of a term',
  async (t) => {
    const reply = { type: 'appendReply', term: 3, matchOffset: 99 } as const;
    t.match(corruption(leadB(held), reply), [{ offset: 99 }]);
    const rejection = { prevOffset: 40, endOffset: 40, terms: [{ term: 2, startOffset: 10 }] };
    t.match(corruption(leadB(held), { ...reply, matchOffset: 0, rejection }), [{ offset: 10 }]);
  },
);

t.test('where a chain value is not known it is not compared', async (t) => {
  const raft = startB(held);
  const effects = raft.step(
    from('a', appendOf(3, { ...lastOf(held.slice(0, 2)), chain: '?' }, [])),
  );
  t.notOk(effects.some((effect) => effect.type === 'corrupt'));
  const { prevChain: _, ...message } = appendOf(3, lastOf(held), []);
  t.notOk(raft.step(from('a', message)).some((effect) => effect.type === 'corrupt'));
  const shorter = appendOf(
    4,
    lastOf(held.slice(0, 1)),
    marksAfter(lastOf(held.slice(0, 1)), 4, [5]),
  );
  raft.step(from('c', shorter));
  t.match(
    raft.state.log.marks,
    { startOffset: 10, startChain: null },
    'nor after a cut further back',
  );
});

t.test('strangers, and a node itself, are not listened to', async (t) => {
  const raft = startB(held);
  const before = structuredClone(raft.state);
  for (const node of ['z', 'b']) {
    t.strictSame(
      raft.step(from(node, { type: 'heartbeat', term: 9, commitOffset: 0, round: 0 })),
      [],
    );
    t.strictSame(come(raft, node, { incarnation: 7 }), []);
  }
  t.strictSame(raft.state, before);
});

t.test('learners neither get votes nor give any', async (t) => {
  const configuration = { voters: ['a', 'c'], learners: ['b'] };
  const learner = startB(held, { options: { ...optionsOfB, configuration } });
  const request: Message = {
    type: 'voteRequest',
    term: 9,
    preVote: false,
    lastTerm: 9,
    endOffset: 99,
    transfer: false,
  };
  t.strictSame(learner.step(from('a', request)), []);
  const other = { voters: ['a', 'b'], learners: ['c'] };
  t.strictSame(
    startB(held, { options: { ...optionsOfB, configuration: other } }).step(from('c', request)),
    [],
  );
});

t.test('only a leader proposes, in its term, behind its log', async (t) => {
  const raft = leadB(held);
  const good = marksAfter({ offset: 0, end: 45, term: 3, chain: 'x' }, 3, [5]);
  t.throws(() => startB(held).step({ type: 'propose', marks: good }), /only a leader/);
  t.throws(
    () => raft.step({ type: 'propose', marks: marksAfter(lastOf(good), 3, [5]) }),
    /do not follow/,
  );
  t.throws(
    () => raft.step({ type: 'propose', marks: good.map((mark) => ({ ...mark, term: 4 })) }),
    /its own term/,
  );
  raft.step({ type: 'propose', marks: good });
  t.equal(raft.endOffset, 50);
});

t.test('a sync ends between batches, and not behind the log', async (t) => {
  const raft = leadB(held);
  raft.step({
    type: 'propose',
    marks: marksAfter({ offset: 0, end: 45, term: 3, chain: 'x' }, 3, [5]),
  });
  for (const offset of [47, 55]) {
    t.throws(() => raft.step({ type: 'synced', generation: 0, offset }), /no batch ends/);
  }
  t.strictSame(
    raft.step({ type: 'synced', generation: 0, offset: 45 }),
    [],
    'an old one is no news',
  );
});

t.test('a node becomes another incarnation only where it has to', async (t) => {
  t.throws(() => startB(held).step({ type: 'rejoined', incarnation: 2 }), /when it is asked/);
});

t.test('options and start that cannot work are refused', async (t) => {
  const start = { ...new SimulatedDisk().start(0), term: 1 };
  const refuse = (options: object, reason: RegExp, more: object = {}) =>
    t.throws(() => new Raft({ ...optionsOfB, ...options }, { ...start, ...more }), reason);
  refuse({ id: 'z' }, /configuration/);
  refuse({ heartbeatTicks: 0 }, /heartbeats/);
  refuse({ electionTicks: 2 }, /election timeout/);
  refuse({ inflightMessagesMax: 0 }, /one message/);
  refuse({}, /committed beyond/, { commitOffset: 1 });
  refuse({}, /later term/, { terms: [{ term: 2, startOffset: 0 }], endOffset: 5 });
});

t.test('a core goes on from a copy of its state as the core itself would', async (t) => {
  const raft = leadB(held);
  const copy = Raft.from(optionsOfB, structuredClone(raft.state));
  t.strictSame(JSON.parse(JSON.stringify(copy.state)), copy.state, 'it is plain data');
  t.strictSame(tick(copy, 30), tick(raft, 30));
  t.strictSame(copy.state, raft.state);
  t.strictSame(
    copy.step(from('a', appendOf(9, genesis, []))),
    raft.step(from('a', appendOf(9, genesis, []))),
  );
});
