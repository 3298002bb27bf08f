import type { World } from './world.js';

const chunkLength = 2 ** 18;

/** States that wait to be looked at, first in first out, packed into chunks of numbers. */
export class Frontier {
  readonly #chunks: Int32Array[] = [];
  #read = 0;
  #written = chunkLength;

  push(world: World): void {
    const { nodes, committed, ledTerms, counters, wire } = world;
    const record = [...nodes, committed, ledTerms, counters, ...wire];
    if (this.#written + record.length + 1 > chunkLength) {
      this.#chunks.push(new Int32Array(chunkLength));
      this.#written = 0;
    }
    const chunk = this.#chunks.at(-1);
    chunk?.set([record.length, ...record], this.#written);
    this.#written += record.length + 1;
  }

  /** The oldest; null if there is none. */
  shift(): World | null {
    const [chunk] = this.#chunks;
    if (chunk === undefined) return null;
    const length = this.#read < chunkLength ? (chunk[this.#read] ?? 0) : 0;
    const isLast = this.#chunks.length === 1;
    if (isLast && this.#read >= this.#written) return null;
    if (length === 0) {
      this.#chunks.shift();
      this.#read = 0;
      return this.shift();
    }
    const record = chunk.subarray(this.#read + 1, this.#read + 1 + length);
    this.#read += length + 1;
    const [a = 0, b = 0, c = 0, committed = 0, ledTerms = 0, counters = 0] = record;
    return {
      nodes: [a, b, c],
      committed,
      ledTerms,
      counters,
      wire: Array.from(record.subarray(6)),
    };
  }
}
