/**
 * A log, written out: `term:length;` for each batch, `term:length@node.incarnation;` for one that
 * admits a node. It serves as the chain value behind its last batch, so that equal chain values are
 * equal logs by construction.
 */
import type { Admission, AdmissionAt, Mark, NodeId, TermStart } from '../../server/raft/types.js';

export type Chain = string;

/** Also of a batch that admits a node, which may come to lie where a no-op lay. */
export const noopBytes = 1;

/** The length of the batch that is proposed as the `number`-th, from 0: no two are the same. */
export function proposalBytes(number: number): number {
  return noopBytes + 1 + number;
}

/** Which proposal a batch is, or null for one of a leader's own. */
export function proposalOf(mark: Mark): number | null {
  const number = mark.end - mark.offset - noopBytes - 1;
  return number < 0 ? null : number;
}

/** The log with one more batch, which `admission` is what it says of, if anything. */
export function extend(chain: Chain, term: number, bytes: number, admission?: Admission): Chain {
  const what = admission === undefined ? '' : `@${admission.node}.${admission.incarnation}`;
  return `${chain}${term}:${bytes}${what};`;
}

/** The same log with the nodes in it renamed. */
export function renameIn(chain: Chain, newName: (id: NodeId) => NodeId): Chain {
  return chain.replace(/@(\w+)/g, (_text, id: NodeId) => `@${newName(id)}`);
}

const known = new Map<Chain, readonly Mark[]>();

export function marksOf(chain: Chain): readonly Mark[] {
  const marks = known.get(chain) ?? parse(chain);
  known.set(chain, marks);
  return marks;
}

function parse(chain: Chain): Mark[] {
  const marks: Mark[] = [];
  let offset = 0;
  let before = '';
  for (const text of chain.split(';').slice(0, -1)) {
    const [batch = '', what] = text.split('@');
    const [term = 0, bytes = 0] = batch.split(':').map(Number);
    const [node = '', incarnation] = what?.split('.') ?? [];
    const admission = what === undefined ? undefined : { node, incarnation: Number(incarnation) };
    before = extend(before, term, bytes, admission);
    const end = offset + bytes;
    marks.push({ offset, end, term, chain: before, ...(admission && { admission }) });
    offset = end;
  }
  return marks;
}

export function endOf(chain: Chain): number {
  return marksOf(chain).at(-1)?.end ?? 0;
}

export function lastTermOf(chain: Chain): number {
  return marksOf(chain).at(-1)?.term ?? 0;
}

/** The log up to `offset`, or null if no batch ends there. */
export function prefixAt(chain: Chain, offset: number): Chain | null {
  if (offset === 0) return '';
  return marksOf(chain).find((mark) => mark.end === offset)?.chain ?? null;
}

/** What is whole of the log below `offset`. */
export function cutAt(chain: Chain, offset: number): Chain {
  return marksOf(chain).findLast((mark) => mark.end <= offset)?.chain ?? '';
}

export function commonPrefix(one: Chain, other: Chain): Chain {
  return marksOf(one).findLast((mark) => other.startsWith(mark.chain))?.chain ?? '';
}

export function termsOf(chain: Chain): TermStart[] {
  const terms: TermStart[] = [];
  for (const { term, offset } of marksOf(chain)) {
    if (terms.at(-1)?.term !== term) terms.push({ term, startOffset: offset });
  }
  return terms;
}

export function admissionsOf(chain: Chain): AdmissionAt[] {
  return marksOf(chain).flatMap(({ offset, end, admission }) =>
    admission === undefined ? [] : [{ ...admission, offset, end }],
  );
}
