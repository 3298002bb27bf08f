/** Redis' protocol, RESP2: requests are written, replies are parsed however they are cut. */
import { Incoming } from './incoming.js';

export class RespError extends Error {}

export type RespValue = string | number | Buffer | RespError | null | RespValue[];

/** An array of which some items have come. */
interface Open {
  readonly items: RespValue[];
  readonly length: number;
}

const carriageReturn = 13;

/** A request in the form that every command takes. */
export function request(...args: readonly (string | number | Buffer)[]): Buffer {
  const parts: Buffer[] = [Buffer.from(`*${args.length}\r\n`)];
  for (const arg of args) {
    const bytes = Buffer.isBuffer(arg) ? arg : Buffer.from(String(arg));
    parts.push(Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n'));
  }
  return Buffer.concat(parts);
}

export class RespParser {
  readonly #onReply: (reply: RespValue) => void;
  readonly #open: Open[] = [];
  readonly #incoming = new Incoming();

  /** Strings of replies are views of what was received. */
  constructor(onReply: (reply: RespValue) => void) {
    this.#onReply = onReply;
  }

  push(chunk: Buffer): void {
    this.#incoming.push(chunk, () => this.#parseOne());
  }

  /** Returns false, and has consumed nothing, if the next item is not all here. */
  #parseOne(): boolean {
    const lineEnd = this.#incoming.bytes.indexOf(carriageReturn, this.#incoming.at);
    if (lineEnd === -1 || lineEnd + 1 >= this.#incoming.bytes.length) return false;
    const type = this.#incoming.bytes[this.#incoming.at];
    const line = this.#incoming.bytes.toString('latin1', this.#incoming.at + 1, lineEnd);
    const next = lineEnd + 2;
    switch (String.fromCharCode(type ?? 0)) {
      case '+':
        return this.#take(line, next);
      case '-':
        return this.#take(new RespError(line), next);
      case ':':
        return this.#take(Number(line), next);
      case '$':
        return this.#parseString(Number(line), next);
      case '*':
        return this.#openArray(Number(line), next);
      default:
        throw new Error(`no reply of Redis begins with byte ${type}`);
    }
  }

  #parseString(length: number, from: number): boolean {
    if (length === -1) return this.#take(null, from);
    const to = from + length;
    if (to + 2 > this.#incoming.bytes.length) return false;
    return this.#take(this.#incoming.bytes.subarray(from, to), to + 2);
  }

  #openArray(length: number, next: number): boolean {
    if (length === -1) return this.#take(null, next);
    if (length === 0) return this.#take([], next);
    this.#incoming.at = next;
    this.#open.push({ items: [], length });
    return true;
  }

  /** A value may fill the array that it lies in, and that one the next. */
  #take(value: RespValue, next: number): true {
    this.#incoming.at = next;
    let complete = value;
    for (;;) {
      const open = this.#open.at(-1);
      if (open === undefined) {
        this.#onReply(complete);
        return true;
      }
      open.items.push(complete);
      if (open.items.length < open.length) return true;
      this.#open.pop();
      complete = open.items;
    }
  }
}
