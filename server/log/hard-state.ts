/**
 * Term and vote: on disk before any answer that depends on them (Raft, figure 2). The file has its
 * final size from the start, so a vote can be written on a full disk.
 */
import { assert, LogLogError } from '../../proto/errors.js';
import type { Disk } from './disk.js';
import { hasIdentity } from './identity.js';
import { asCount, asFields, asText } from './shape.js';
import { createSlots, readSlots, SlotFile } from './slots.js';

export interface TermAndVote {
  readonly term: number;
  /** The node that got this node's vote in the term, if any did. */
  readonly vote: string | null;
}

const format = { fileName: 'hard-state', magic: 'LLhs', version: 1 } as const;

export class HardState {
  readonly #slots: SlotFile;
  /** What was asked to be saved last. */
  #newest: TermAndVote;
  /** What is on disk. */
  #saved: TermAndVote;

  private constructor(slots: SlotFile, saved: TermAndVote) {
    this.#slots = slots;
    this.#newest = saved;
    this.#saved = saved;
  }

  /**
   * Term 0 and no vote, in a directory that is being made; a file that an interrupted try left
   * behind is replaced. Throws DIRECTORY_NOT_EMPTY if the directory is a node's already.
   */
  static async create(disk: Disk, directory: string): Promise<HardState> {
    if (await hasIdentity(disk, directory)) {
      throw new LogLogError('DIRECTORY_NOT_EMPTY', `${directory} has its term and vote already`);
    }
    await createSlots(disk, directory, format, { term: 0, vote: null });
    return HardState.open(disk, directory);
  }

  /** Throws DATA_CORRUPT if both copies are bad, and FORMAT_UNKNOWN: then the node must not vote. */
  static async open(disk: Disk, directory: string): Promise<HardState> {
    const { slots, value } = await SlotFile.open(disk, directory, format);
    return new HardState(slots, asTermAndVote(value));
  }

  /** What is saved, without opening the file for writing. Throws as `open` does. */
  static async peek(disk: Disk, directory: string): Promise<TermAndVote> {
    return asTermAndVote(await readSlots(disk, directory, format));
  }

  get term(): number {
    return this.#saved.term;
  }

  get vote(): string | null {
    return this.#saved.vote;
  }

  /** Resolves when both survive a power cut. After a failure nothing is saved any more. */
  async save(term: number, vote: string | null): Promise<void> {
    const before = this.#newest;
    assert(term >= before.term, 'the term does not go back');
    assert(
      term > before.term || before.vote === null || before.vote === vote,
      'one vote in a term',
    );
    this.#newest = { term, vote };
    await this.#slots.save(this.#newest);
    this.#saved = { term, vote };
  }

  /** Waits for the saves that have begun. */
  close(): Promise<void> {
    return this.#slots.close();
  }
}

function asTermAndVote(value: unknown): TermAndVote {
  const { term, vote } = asFields(value, 'the hard state');
  return {
    term: asCount(term, "the hard state's term"),
    vote: vote === null ? null : asText(vote, "the hard state's vote"),
  };
}
