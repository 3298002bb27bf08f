/** What a NATS server sends, parsed however it is cut. */
import { Incoming } from './incoming.js';

export type NatsMessage =
  | { readonly type: 'ping' }
  | { readonly type: 'error'; readonly reason: string }
  | {
      readonly type: 'message';
      readonly subject: string;
      /** The number given with SUB: a consumer delivers under the subject of the stream. */
      readonly subscription: number;
      readonly replyTo: string | undefined;
      /** The first line of the headers, `NATS/1.0 100 Idle Heartbeat`; empty without headers. */
      readonly status: string;
      /** A view of what was received. */
      readonly payload: Buffer;
    };

const lineFeed = 10;
const lineEndBytes = 2;

export class NatsParser {
  readonly #onMessage: (message: NatsMessage) => void;
  readonly #incoming = new Incoming();

  constructor(onMessage: (message: NatsMessage) => void) {
    this.#onMessage = onMessage;
  }

  push(chunk: Buffer): void {
    this.#incoming.push(chunk, () => this.#parseOne());
  }

  /** Returns false, and has consumed nothing, if the next message is not all here. */
  #parseOne(): boolean {
    const lineEnd = this.#incoming.bytes.indexOf(lineFeed, this.#incoming.at);
    if (lineEnd === -1) return false;
    const line = this.#incoming.bytes.toString('latin1', this.#incoming.at, lineEnd - 1);
    const next = lineEnd + 1;
    const [operation = '', ...words] = line.split(' ');
    switch (operation.toUpperCase()) {
      case 'MSG':
        return this.#parseMessage(words, { isHeaded: false, from: next });
      case 'HMSG':
        return this.#parseMessage(words, { isHeaded: true, from: next });
      case 'PING':
        this.#onMessage({ type: 'ping' });
        break;
      case '-ERR':
        this.#onMessage({ type: 'error', reason: words.join(' ') });
        break;
      case 'INFO':
      case 'PONG':
      case '+OK':
        break;
      default:
        throw new Error(`NATS sends '${line}'`);
    }
    this.#incoming.at = next;
    return true;
  }

  /** `MSG subject sid [reply-to] bytes`, or `HMSG subject sid [reply-to] header-bytes bytes`. */
  #parseMessage(
    words: readonly string[],
    { isHeaded, from }: { isHeaded: boolean; from: number },
  ): boolean {
    const sizes = isHeaded ? 2 : 1;
    const bytes = Number(words.at(-1));
    const headerBytes = isHeaded ? Number(words.at(-2)) : 0;
    const [subject = '', id, replyTo] = words.slice(0, -sizes);
    const to = from + bytes;
    if (to + lineEndBytes > this.#incoming.bytes.length) return false;
    const headers = this.#incoming.bytes.toString('latin1', from, from + headerBytes);
    const [status = ''] = headers.split('\r\n', 1);
    const payload = this.#incoming.bytes.subarray(from + headerBytes, to);
    this.#incoming.at = to + lineEndBytes;
    const subscription = Number(id);
    this.#onMessage({ type: 'message', subject, subscription, replyTo, status, payload });
    return true;
  }
}
