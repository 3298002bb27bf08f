import { hashText, rename, renamings } from './symmetry.js';

const lanes = 2 * renamings.length;

/** Numbers for plain data, in the order in which it is first seen, and what it hashes to. */
export class Interner {
  readonly #ids = new Map<string, number>();
  readonly #texts: string[] = [];
  /** For each number two for each renaming. */
  #hashes = new Uint32Array(lanes * 1024);

  get size(): number {
    return this.#texts.length;
  }

  /** `value` has to survive JSON. */
  id(value: unknown): number {
    const text = JSON.stringify(value);
    const known = this.#ids.get(text);
    if (known !== undefined) return known;
    const id = this.#texts.length;
    this.#ids.set(text, id);
    this.#texts.push(text);
    this.#hash(id, value);
    return id;
  }

  /** A copy of what has the number. */
  value<T>(id: number): T {
    return JSON.parse(this.#texts[id] ?? '') as T;
  }

  /** Half a hash of it: lanes 2n and 2n + 1 belong to the n-th renaming. */
  lane(id: number, lane: number): number {
    return this.#hashes[lanes * id + lane] ?? 0;
  }

  #hash(id: number, value: unknown): void {
    if (lanes * id >= this.#hashes.length) {
      const grown = new Uint32Array(2 * this.#hashes.length);
      grown.set(this.#hashes);
      this.#hashes = grown;
    }
    for (const [index, renaming] of renamings.entries()) {
      const text = JSON.stringify(rename(value, renaming));
      this.#hashes.set(hashText(text), lanes * id + 2 * index);
    }
  }
}
