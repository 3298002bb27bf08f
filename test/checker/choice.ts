import type { RandomSource } from '../../proto/clock.js';

/** A whole number from 0 to `max`. */
export function upTo(max: number, random: RandomSource): number {
  return Math.floor(random.fraction() * (max + 1));
}

/** One of at least one. */
export function pick<Value>(values: readonly Value[], random: RandomSource): Value {
  const value = values[upTo(values.length - 1, random)];
  if (value === undefined) throw new Error('there is nothing to pick from');
  return value;
}
