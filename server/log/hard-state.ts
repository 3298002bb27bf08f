/**
 * Term and vote: on disk before any answer that depends on them (Raft, figure 2); and which
 * incarnation of the node they bind. The file has its final size from the start, so a vote can be
 * written on a full disk.
 */
import { join } from 'node:path';
import { assert, LogLogError } from '../../proto/errors.js';
import type { Disk } from './disk.js';
import { hasIdentity } from './identity.js';
import { asCount, asFields, asText } from './shape.js';
import { createSlots, readSlots, SlotFile } from './slots.js';

export interface TermAndVote {
  readonly term: number;
  /** The node that got this node's vote in the term, if any did. */
  readonly vote: string | null;
  /** The incarnation that may vote and acknowledge; null while none may. */
  readonly admitted: number | null;
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
   * Begins in a directory that is being made; a file that an interrupted try left behind is
   * replaced. Throws DIRECTORY_NOT_EMPTY if the directory is a node's already.
   */
  static async create(disk: Disk, directory: string, first: TermAndVote): Promise<HardState> {
    if (await hasIdentity(disk, directory)) {
      throw new LogLogError('DIRECTORY_NOT_EMPTY', `${directory} has its term and vote already`);
    }
    await createSlots(disk, directory, format, first);
    return HardState.open(disk, directory);
  }

  /**
   * Begins again where the hard state is lost. The directory's identity has to be that of a new
   * incarnation by then, durably: what an older one promised is forgotten here.
   */
  static async replace(disk: Disk, directory: string, first: TermAndVote): Promise<HardState> {
    assert(first.admitted === null, 'who has forgotten its promises is not admitted');
    await createSlots(disk, directory, format, first);
    return HardState.open(disk, directory);
  }

  /**
   * Throws DATA_CORRUPT if the file is missing or both copies are bad, and FORMAT_UNKNOWN: then
   * this incarnation of the node must not vote.
   */
  static async open(disk: Disk, directory: string): Promise<HardState> {
    await checkPresent(disk, directory);
    const { slots, value } = await SlotFile.open(disk, directory, format);
    try {
      return new HardState(slots, asTermAndVote(value));
    } catch (error) {
      await slots.close();
      throw error;
    }
  }

  /** What is saved, without opening the file for writing. Throws as `open` does. */
  static async peek(disk: Disk, directory: string): Promise<TermAndVote> {
    await checkPresent(disk, directory);
    return asTermAndVote(await readSlots(disk, directory, format));
  }

  get term(): number {
    return this.#saved.term;
  }

  get vote(): string | null {
    return this.#saved.vote;
  }

  get admitted(): number | null {
    return this.#saved.admitted;
  }

  /**
   * Resolves when all of it survives a power cut. What an incarnation has saved while it was
   * admitted binds it, and no other. After a failure nothing is saved any more.
   */
  async save(term: number, vote: string | null, admitted: number | null): Promise<void> {
    const before = this.#newest;
    if (admitted !== null && admitted === before.admitted) {
      assert(term >= before.term, 'the term does not go back');
      assert(
        term > before.term || before.vote === null || before.vote === vote,
        'one vote in a term',
      );
    }
    const saved = { term, vote, admitted };
    this.#newest = saved;
    await this.#slots.save(saved);
    this.#saved = saved;
  }

  /** Waits for the saves that have begun. */
  close(): Promise<void> {
    return this.#slots.close();
  }
}

async function checkPresent(disk: Disk, directory: string): Promise<void> {
  const path = join(directory, format.fileName);
  if ((await disk.lengthOf(path)) !== undefined) return;
  throw new LogLogError('DATA_CORRUPT', `${path} is missing`);
}

function asTermAndVote(value: unknown): TermAndVote {
  const { term, vote, admitted } = asFields(value, 'the hard state');
  return {
    term: asCount(term, "the hard state's term"),
    vote: vote === null ? null : asText(vote, "the hard state's vote"),
    admitted: admitted === null ? null : asCount(admitted, "the hard state's incarnation"),
  };
}
