import type { Caught } from './checks.js';
import type { Mutation } from './mutation.js';

/** What became of a mutant. */
export interface Outcome {
  readonly mutation: Mutation;
  readonly caught: Caught | undefined;
}

export interface Totals {
  /** The harmful ones. */
  readonly mutants: number;
  readonly caught: number;
  /** Of those that the simulation caught; null if it caught none. */
  readonly medianSeeds: number | null;
}

/** Whether a harmful mutant got away, or one that changes nothing was caught. */
export function isWrong({ mutation, caught }: Outcome): boolean {
  return mutation.harmful !== (caught !== undefined);
}

export function totalsOf(outcomes: readonly Outcome[]): Totals {
  const harmful = outcomes.filter(({ mutation }) => mutation.harmful);
  const caught = harmful.filter((outcome) => outcome.caught !== undefined);
  const seeds = caught.flatMap((outcome) => outcome.caught?.seeds ?? []).toSorted((a, b) => a - b);
  const medianSeeds = seeds[seeds.length >> 1] ?? null;
  return { mutants: harmful.length, caught: caught.length, medianSeeds };
}

const wordsCharactersMax = 140;

/** One line of the table. */
export function describe({ mutation, caught }: Outcome): string {
  const { name } = mutation;
  const what = mutation.harmful ? mutation.rule : 'changes nothing';
  const [words = ''] = caught?.words.split('\n') ?? [];
  const by = caught === undefined ? 'nothing' : caught.by + seedsOf(caught);
  const columns = [name.padEnd(26), what.padEnd(36), by.padEnd(24)];
  return (columns.join(' ') + words.slice(0, wordsCharactersMax)).trimEnd();
}

function seedsOf({ seeds }: Caught): string {
  if (seeds === undefined) return '';
  return seeds === 1 ? ', 1 seed' : `, ${seeds} seeds`;
}
