/** Two term tables are enough to find what two logs share (docs/ARCHITECTURE.md). */
import t from 'tap';
import { draw } from '../../server/raft/random.js';
import { commonPoint, termBefore, termsBelow } from '../../server/raft/terms.js';
import type { Mark, TermStart } from '../../server/raft/types.js';
import { SimulatedDisk } from './disk.js';
import { lastOf, marksAfter, marksOf } from './marks.js';

/** The offsets a leader probes until its follower's log matches; the last one is where it does. */
function probes(own: readonly Mark[], other: readonly Mark[], termsMax: number): number[] {
  const tables = [own, other].map(tableOf);
  const [ownTerms = [], otherTerms = []] = tables;
  const endOffset = lastOf(other).end;
  const probed = [lastOf(own).end];
  for (;;) {
    const prevOffset = probed.at(-1) ?? 0;
    const isHeld = prevOffset <= endOffset;
    if (isHeld && termBefore(otherTerms, prevOffset) === termBefore(ownTerms, prevOffset))
      return probed;
    const terms = termsBelow(otherTerms, prevOffset, termsMax);
    const point = commonPoint(ownTerms, lastOf(own).end, { prevOffset, endOffset, terms });
    if (point.type === 'contradiction' || point.offset >= prevOffset)
      throw new Error('no progress');
    probed.push(point.offset);
  }
}

function tableOf(marks: readonly Mark[]): readonly TermStart[] {
  const disk = new SimulatedDisk();
  disk.fill(marks, 0);
  return disk.start(0).terms;
}

/** Lengths and terms behind `shared` that no leader of the other log's terms can have written. */
function diverge(shared: readonly Mark[], parity: number, next: (bound: number) => number): Mark[] {
  const marks = [...shared];
  let term = lastOf(shared).term;
  term += term % 2 === parity ? 2 : 1;
  for (let left = next(12); left > 0; left -= 1) {
    marks.push(...marksAfter(lastOf(marks), term, [1 + next(30)]));
    if (next(2) === 0) term += 2;
  }
  return marks;
}

t.test('a leader finds the end of what is shared, in one step if the table is whole', async (t) => {
  let state = 1;
  const next = (bound: number): number => {
    const { value, seed } = draw(state, bound);
    state = seed;
    return value;
  };
  for (let count = 0; count < 3000; count += 1) {
    const shared = marksOf(
      Array.from({ length: next(10) }, (_, index) => 1 + Math.floor(index / 2)),
      1 + next(20),
    );
    const longer = marksAfter(lastOf(shared), lastOf(shared).term, shared.length > 0 ? [4] : []);
    const own = diverge(next(2) === 0 ? shared : [...shared, ...longer], 0, next);
    const other = diverge(shared, 1, next);
    const whole = probes(own, other, 64);
    if (whole.at(-1) !== lastOf(shared).end || whole.length > 2)
      t.fail(JSON.stringify({ own, other, whole }));
    const short = probes(own, other, 1 + next(3));
    // Without the shared term in the table, the start of an own term is as good as can be known.
    if (Number(short.at(-1)) > lastOf(shared).end) t.fail(JSON.stringify({ own, other, short }));
    if (short.length > own.length + other.length + 1) t.fail('too many steps');
  }
  t.pass('three thousand pairs of logs');
});

t.test(
  'an own term that reaches beyond the oldest one told is probed from its beginning',
  async (t) => {
    const own = [
      { term: 1, startOffset: 0 },
      { term: 2, startOffset: 20 },
      { term: 7, startOffset: 80 },
    ];
    const rejection = { prevOffset: 90, endOffset: 60, terms: [{ term: 4, startOffset: 30 }] };
    t.strictSame(commonPoint(own, 90, rejection), { type: 'below', offset: 20 });
    const lower = { ...rejection, terms: [{ term: 4, startOffset: 15 }] };
    t.strictSame(commonPoint(own, 90, lower), { type: 'below', offset: 0 });
    const older = { ...rejection, terms: [{ term: 1, startOffset: 15 }] };
    t.strictSame(commonPoint(own, 90, older), { type: 'contradiction', offset: 15 });
    t.strictSame(commonPoint(own.slice(1), 90, older), { type: 'below', offset: 0 });
  },
);
