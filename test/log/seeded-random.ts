/** A random source that repeats itself: mulberry32 (Tommy Ettinger, public domain). */
import type { RandomSource } from '../../proto/clock.js';

export function seededRandom(seed: number): RandomSource {
  let state = seed | 0;
  const fraction = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    fraction,
    bytes: (count) =>
      Buffer.from(Array.from({ length: count }, () => Math.floor(fraction() * 256))),
  };
}
