/** A deliberate fault: a change of one place in one compiled module. */
export interface Mutation {
  readonly name: string;
  /** What the code does wrong with it. */
  readonly fault: string;
  /** From the root of the compiled output. */
  readonly file: string;
  /** Occurs exactly once in the file. */
  readonly find: string;
  readonly replace: string;
  /** Whether a check has to find it; one that changes nothing that matters must not be found. */
  readonly harmful: boolean;
}

/** The source with the fault in it. Throws if the place is not there, or not the only one. */
export function mutate(source: string, mutation: Mutation): string {
  const { name, file, find, replace } = mutation;
  const places = source.split(find).length - 1;
  if (places !== 1) throw new Error(`mutant ${name}: ${places} places in ${file} instead of one`);
  return source.replace(find, () => replace);
}
