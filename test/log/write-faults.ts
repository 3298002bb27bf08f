/** What is going to happen to writes of a MemoryDisk: to the n-th one, or to the next of a file. */
import { normalize } from 'node:path';

export type WriteFault =
  /** Half of the sectors are written, durably, and the write says so. */
  | { readonly type: 'fail'; readonly code: string }
  /** Readers see what was written, the write fails, and a power cut loses all of it. */
  | { readonly type: 'failSync'; readonly code: string }
  /** Nothing is written, and nobody is told. */
  | { readonly type: 'lose' }
  /** It lands elsewhere, inside what that file has, and nobody is told. */
  | { readonly type: 'misdirect'; readonly path: string; readonly position: number };

export class WriteFaults {
  readonly #nth = new Map<number, WriteFault>();
  readonly #next = new Map<string, WriteFault>();
  #writes = 0;

  /** Writes begun so far. */
  get writes(): number {
    return this.#writes;
  }

  onNth(nth: number, fault: WriteFault): void {
    this.#nth.set(this.#writes + nth, fault);
  }

  onNext(path: string, fault: WriteFault): void {
    this.#next.set(normalize(path), fault);
  }

  /** A write begins: what happens to it, once. */
  take(path: string): WriteFault | undefined {
    this.#writes += 1;
    const nth = this.#nth.get(this.#writes);
    if (nth !== undefined) {
      this.#nth.delete(this.#writes);
      return nth;
    }
    if (this.#next.size === 0) return undefined;
    const name = normalize(path);
    const next = this.#next.get(name);
    this.#next.delete(name);
    return next;
  }
}
