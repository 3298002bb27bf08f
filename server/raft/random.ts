/**
 * Draws from `seed`: a number in [0, bound) and the seed for the next draw. One step of
 * mulberry32, which is plenty for spreading election timeouts.
 */
export function draw(
  seed: number,
  bound: number,
): { readonly value: number; readonly seed: number } {
  const next = (seed + 0x6d2b79f5) | 0;
  let mixed = Math.imul(next ^ (next >>> 15), next | 1);
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
  return { value: ((mixed ^ (mixed >>> 14)) >>> 0) % bound, seed: next };
}
