/**
 * The states that were seen, as fingerprints of 64 bits, in an open-addressing table. Among n
 * states two share a fingerprint with a probability of about n² / 2^65: three in a million for ten
 * million states. One of the two would not be looked at.
 */
export class Visited {
  #lows: Uint32Array;
  #highs: Uint32Array;
  #mask: number;
  size = 0;

  /** `statesMax` is the most that it will hold. */
  constructor(statesMax: number) {
    const slots = 2 ** Math.ceil(Math.log2(1.5 * statesMax + 16));
    this.#lows = new Uint32Array(slots);
    this.#highs = new Uint32Array(slots);
    this.#mask = slots - 1;
  }

  /** Whether it is new. */
  add(low: number, high: number): boolean {
    // Two zeros mean an empty slot.
    const marked = low === 0 && high === 0 ? 1 : high;
    let slot = (low ^ Math.imul(marked, 0x9e3779b1)) & this.#mask;
    for (;;) {
      const heldLow = this.#lows[slot];
      const heldHigh = this.#highs[slot];
      if (heldLow === low && heldHigh === marked) return false;
      if (heldLow === 0 && heldHigh === 0) break;
      slot = (slot + 1) & this.#mask;
    }
    this.#lows[slot] = low;
    this.#highs[slot] = marked;
    this.size += 1;
    return true;
  }
}
