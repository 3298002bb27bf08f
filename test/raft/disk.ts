import { lastOf } from './marks.js';
import { firstIncarnation } from '../../server/raft/types.js';
import type {
  AdmissionAt,
  Effect,
  Event,
  Mark,
  NodeId,
  PeerState,
  RaftStart,
  TermStart,
} from '../../server/raft/types.js';

/** A copy of a data directory. */
export interface DiskImage {
  readonly term: number;
  readonly vote: NodeId | null;
  readonly incarnation: number;
  readonly admitted: number | null;
  readonly durable: readonly Mark[];
}

/** What one node has on disk, and what of it would survive a crash now. */
export class SimulatedDisk {
  term = 0;
  vote: NodeId | null = null;
  incarnation = firstIncarnation;
  admitted: number | null = firstIncarnation;
  /** The incarnation whose promises are lost, until another one is admitted. */
  lost: number | null = null;
  written: Mark[] = [];
  durable: Mark[] = [];
  generation = 0;
  /** Of the process that runs on it: its number, and the term that it found. */
  process = { process: 0, startTerm: 0 };
  /** While held, nothing is synced. */
  held = false;

  /** A log from another life. */
  fill(marks: readonly Mark[], term: number): void {
    this.written = [...marks];
    this.durable = [...marks];
    this.term = term;
  }

  save(effect: Extract<Effect, { type: 'saveHardState' }>): void {
    this.term = effect.term;
    this.vote = effect.vote;
    this.admitted = effect.admitted;
    if (this.admitted !== null && this.admitted !== this.lost) this.lost = null;
  }

  /** What this node says of itself on a new link. */
  get peerState(): PeerState {
    const { incarnation, process, term } = this;
    return { incarnation, ...process, term, durableOffset: lastOf(this.durable).end };
  }

  image(): DiskImage {
    const { term, vote, incarnation, admitted, durable } = this;
    return { term, vote, incarnation, admitted, durable: [...durable] };
  }

  /** While the node is down: what the directory was at another time. */
  putBack(image: DiskImage): void {
    this.fill(image.durable, image.term);
    this.vote = image.vote;
    this.incarnation = image.incarnation;
    this.admitted = image.admitted;
    this.lost = image.incarnation;
  }

  /** While the node is down: another directory, with nothing in it. */
  wipe(incarnation: number): void {
    this.putBack({
      term: 0,
      vote: null,
      incarnation: this.incarnation,
      admitted: null,
      durable: [],
    });
    this.incarnation = incarnation;
  }

  write(marks: readonly Mark[]): void {
    this.written.push(...marks);
  }

  truncate(offset: number, generation: number): void {
    this.written = this.written.filter((mark) => mark.end <= offset);
    this.durable = this.durable.filter((mark) => mark.end <= offset);
    this.generation = generation;
  }

  /** Makes everything durable; the event that says so, if that is news. */
  sync(): Event | undefined {
    if (this.held || this.durable.length === this.written.length) return undefined;
    this.durable = [...this.written];
    const offset = lastOf(this.durable).end;
    return { type: 'synced', generation: this.generation, offset };
  }

  /** Loses what is not synced, except the first `kept` batches of it. */
  crash(kept: number): void {
    this.written = this.written.slice(0, this.durable.length + kept);
    this.durable = [...this.written];
    this.generation = 0;
    this.held = false;
  }

  start(commitOffset: number): RaftStart {
    const { term, vote, incarnation } = this;
    this.process = { process: this.process.process + 1, startTerm: term };
    const { end, chain } = lastOf(this.durable);
    const terms: TermStart[] = [];
    const admissions: AdmissionAt[] = [];
    for (const mark of this.durable) {
      const { offset, end: markEnd, admission } = mark;
      if (admission !== undefined) admissions.push({ ...admission, offset, end: markEnd });
      if (terms.at(-1)?.term !== mark.term) {
        terms.push({ term: mark.term, startOffset: mark.offset });
      }
    }
    return {
      term,
      vote,
      terms,
      endOffset: end,
      endChain: chain,
      commitOffset,
      admissions,
      incarnation,
      admitted: this.admitted === incarnation,
    };
  }

  read(load: Extract<Effect, { type: 'load' }>): Event {
    const { peer, offset, bytesMax } = load;
    const from = this.durable.findIndex((mark) => mark.offset === offset);
    if (from < 0) return { type: 'loaded', peer, offset, marks: [] };
    const rest = this.durable.slice(from);
    const marks = rest.filter((mark, index) => index === 0 || mark.end - offset <= bytesMax);
    const prevChain = lastOf(this.durable.slice(0, from)).chain;
    return { type: 'loaded', peer, offset, prevChain, marks };
  }
}
