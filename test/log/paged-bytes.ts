/** Bytes of a file, in pages that copies share until one of them is written. */
const pageBytes = 4096;

interface Page {
  readonly bytes: Buffer;
  /** The only one that may change it. */
  readonly owner: object;
}

export class PagedBytes {
  /** Missing pages are zeros. */
  #pages: (Page | undefined)[] = [];
  #length = 0;
  #owner = {};

  get length(): number {
    return this.#length;
  }

  copy(): PagedBytes {
    const copy = new PagedBytes();
    copy.#pages = this.#pages.slice();
    copy.#length = this.#length;
    this.#owner = {};
    return copy;
  }

  /** Reads until `into` is full or the bytes end; returns how many were read. */
  read(into: Buffer, position: number): number {
    const count = Math.max(0, Math.min(into.length, this.#length - position));
    for (let done = 0; done < count;) {
      const at = position + done;
      const start = at % pageBytes;
      const length = Math.min(count - done, pageBytes - start);
      const page = this.#pages[(at - start) / pageBytes];
      if (page === undefined) into.fill(0, done, done + length);
      else page.bytes.copy(into, done, start, start + length);
      done += length;
    }
    return count;
  }

  write(bytes: Buffer, position: number): void {
    if (bytes.length === 0) return;
    this.grow(position + bytes.length);
    for (let done = 0; done < bytes.length;) {
      const at = position + done;
      const start = at % pageBytes;
      const length = Math.min(bytes.length - done, pageBytes - start);
      bytes.copy(this.#own((at - start) / pageBytes), start, done, done + length);
      done += length;
    }
  }

  grow(length: number): void {
    this.#length = Math.max(this.#length, length);
  }

  /** Sets the length; what a longer one adds is zeros. */
  truncate(length: number): void {
    if (length < this.#length) {
      const start = length % pageBytes;
      const last = (length - start) / pageBytes;
      this.#pages.length = Math.min(this.#pages.length, last + 1);
      if (this.#pages[last] !== undefined) this.#own(last).fill(0, start);
    }
    this.#length = length;
  }

  #own(index: number): Buffer {
    const page = this.#pages[index];
    if (page?.owner === this.#owner) return page.bytes;
    const bytes = page === undefined ? Buffer.alloc(pageBytes) : Buffer.from(page.bytes);
    this.#pages[index] = { bytes, owner: this.#owner };
    return bytes;
  }
}
