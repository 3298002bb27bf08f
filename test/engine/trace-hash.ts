/** One value for all that has happened in a run, in order: the same run has the same. */
import { createHash } from 'node:crypto';

const bufferBytes = 64 * 1024;

/** Tell a number from a text, and where a text ends. */
const numberTag = 1;
const textTag = 2;

export class TraceHash {
  readonly #hash = createHash('sha256');
  readonly #buffer = Buffer.alloc(bufferBytes);
  #used = 0;

  add(...values: readonly (number | string)[]): void {
    for (const value of values) {
      if (typeof value === 'number') this.#addNumber(value);
      else this.#addText(value);
    }
  }

  /** Of everything so far, in hexadecimal; more may be added. */
  digest(): string {
    this.#flush();
    return this.#hash.copy().digest('hex');
  }

  #addNumber(value: number): void {
    this.#reserve(9);
    this.#used = this.#buffer.writeUInt8(numberTag, this.#used);
    this.#used = this.#buffer.writeDoubleLE(value, this.#used);
  }

  #addText(value: string): void {
    const length = Buffer.byteLength(value);
    this.#reserve(5 + length);
    this.#used = this.#buffer.writeUInt8(textTag, this.#used);
    this.#used = this.#buffer.writeUInt32LE(length, this.#used);
    if (length > this.#buffer.length - this.#used) {
      this.#flush();
      this.#hash.update(value);
    } else {
      this.#used += this.#buffer.write(value, this.#used);
    }
  }

  #reserve(bytes: number): void {
    if (this.#used + bytes > this.#buffer.length) this.#flush();
  }

  #flush(): void {
    this.#hash.update(this.#buffer.subarray(0, this.#used));
    this.#used = 0;
  }
}
