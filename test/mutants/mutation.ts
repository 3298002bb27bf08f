import type { Rule } from './rules.js';

/** A deliberate fault: a change of one place in one compiled module. */
export type Mutation = Changed &
  (
    | { readonly harmful: true; readonly rule: Rule }
    /** It changes nothing that matters, so no check may find it. */
    | { readonly harmful: false }
  );

interface Changed {
  readonly name: string;
  /** What the code does with it. */
  readonly fault: string;
  /** From the root of the compiled output. */
  readonly file: string;
  /** Occurs exactly once in the file. */
  readonly find: string;
  readonly replace: string;
}

export type Change = readonly [find: string, replace: string];

/** A fault that breaks `rule`; `file` without its ending. */
export function breaks(
  rule: Rule,
  name: string,
  fault: string,
  file: string,
  [find, replace]: Change,
): Mutation {
  return { rule, name, fault, file: `${file}.js`, find, replace, harmful: true };
}

/** A change that no check may find. */
export function changesNothing(
  name: string,
  fault: string,
  file: string,
  [find, replace]: Change,
): Mutation {
  return { name, fault, file: `${file}.js`, find, replace, harmful: false };
}

/** The source with the fault in it. Throws if the place is not there, or not the only one. */
export function mutate(source: string, mutation: Mutation): string {
  const { name, file, find, replace } = mutation;
  const places = source.split(find).length - 1;
  if (places !== 1) throw new Error(`mutant ${name}: ${places} places in ${file} instead of one`);
  return source.replace(find, () => replace);
}
