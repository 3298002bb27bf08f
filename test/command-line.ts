/** Numbers and seeds on the command lines of the programs that look for faults. */
import { InvalidArgumentError, Option } from 'commander';

export interface Range {
  readonly min: number;
  readonly max: number;
}

/** Both are among them. */
export interface Seeds {
  readonly first: number;
  readonly last: number;
}

/** Random sources begin with 32 bits (test/log/seeded-random.ts). */
export const seedRange: Range = { min: 0, max: 2 ** 32 - 1 };

/** Four times as long, which a check of a mutant may take, is what a timer can wait: 2^31 ms. */
export const secondsRange: Range = { min: 1, max: 500_000 };

export const countRange: Range = { min: 1, max: Number.MAX_SAFE_INTEGER };

/** Without `value` there is no default. */
export function number(flags: string, description: string, range: Range, value?: number): Option {
  const option = new Option(flags, description).argParser((text) => parseNumber(text, range));
  return value === undefined ? option : option.default(value);
}

/** One seed, or the first and the last of several: `17` or `100-199`. */
export function seeds(flags: string, description: string): Option {
  return new Option(flags, description).argParser(parseSeeds);
}

/** Throws what commander reports in one line. */
function parseNumber(text: string, { min, max }: Range): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new InvalidArgumentError(`It is a whole number from ${min} to ${max}.`);
}

function parseSeeds(text: string): Seeds {
  const [first = '', last = first, ...others] = text.split('-');
  const seeds = { first: parseNumber(first, seedRange), last: parseNumber(last, seedRange) };
  if (others.length === 0 && seeds.first <= seeds.last) return seeds;
  throw new InvalidArgumentError('It is a seed, or the first and the last of several.');
}
