/** How long something takes, in milliseconds, drawn anew each time. */
import type { RandomSource } from '../../proto/clock.js';

export type Delay = (random: RandomSource) => number;

export function uniform(msMin: number, msMax: number): Delay {
  return (random) => msMin + random.fraction() * (msMax - msMin);
}

/** Mostly less than the mean, at times much more. */
export function exponential(meanMs: number, msMax: number): Delay {
  return (random) => Math.min(msMax, -meanMs * Math.log(1 - random.fraction()));
}

/** A share of it takes what is rare. */
export function mixed(usual: Delay, rare: Delay, rareShare: number): Delay {
  return (random) => (random.fraction() < rareShare ? rare(random) : usual(random));
}
