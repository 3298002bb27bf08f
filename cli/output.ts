/** What a command says: results to stdout, errors to stderr, colours only to a terminal. */
import type { Writable } from 'node:stream';
import { styleText } from 'node:util';
import type { ErrorExtras } from '../proto/errors.js';
import { LogLogError } from '../proto/errors.js';

/** Gathered before it is written, so that a small entry costs no system call of its own. */
const gatherBytes = 64 * 1024;

/** Results, in order, under the back-pressure of whoever reads them. */
export class Output {
  readonly #stream: Writable;
  #gathered: Buffer[] = [];
  #gatheredBytes = 0;
  #flushAtTurnEnd = false;
  #state: { readonly type: 'open' | 'closed' } | { readonly type: 'failed'; readonly error: Error };

  constructor(stream: Writable) {
    this.#stream = stream;
    this.#state = { type: 'open' };
    stream.on('error', (error: NodeJS.ErrnoException) => {
      this.#state = error.code === 'EPIPE' ? { type: 'closed' } : { type: 'failed', error };
    });
  }

  /** The reader has gone, which is its good right: what is written from now on is dropped. */
  get closed(): boolean {
    return this.#state.type === 'closed';
  }

  /** Written at the end of this turn at the latest; await it before writing more. */
  async write(data: Buffer | string): Promise<void> {
    const bytes = typeof data === 'string' ? Buffer.from(data) : data;
    this.#gathered.push(bytes);
    this.#gatheredBytes += bytes.length;
    if (this.#gatheredBytes >= gatherBytes) return this.flush();
    if (this.#flushAtTurnEnd) return;
    this.#flushAtTurnEnd = true;
    setImmediate(() => {
      this.#flushAtTurnEnd = false;
      // A failure is kept in #state and thrown to whoever writes or flushes next.
      this.flush().catch(() => {});
    });
  }

  async line(text: string): Promise<void> {
    await this.write(`${text}\n`);
  }

  /** Resolves when everything so far has left the process. Throws what the stream failed with. */
  async flush(): Promise<void> {
    const bytes = Buffer.concat(this.#gathered, this.#gatheredBytes);
    this.#gathered = [];
    this.#gatheredBytes = 0;
    if (this.#state.type === 'open') {
      await new Promise<void>((resolve) => this.#stream.write(bytes, () => resolve()));
    }
    if (this.#state.type === 'failed') throw this.#state.error;
  }
}

/** What a caller of --json is told of an error; names are stable. */
export interface ErrorDescription extends ErrorExtras {
  readonly code: string;
  readonly message: string;
  readonly retryable: boolean;
}

export function describeError(error: unknown): ErrorDescription {
  if (error instanceof LogLogError) {
    const { code, message, retryable, outcome, leader, firstOffset, end, limit } = error;
    return {
      code,
      message,
      retryable,
      outcome,
      ...(leader !== undefined && { leader }),
      ...(firstOffset !== undefined && { firstOffset }),
      ...(end !== undefined && { end }),
      ...(limit !== undefined && { limit }),
    };
  }
  const message = error instanceof Error ? error.message : String(error);
  const code = codeOf(error);
  // The system's messages begin with their code.
  const text = message.startsWith(`${code}: `) ? message.slice(code.length + 2) : message;
  return { code, message: text, retryable: false, outcome: 'none' };
}

/** To stderr: `error: CODE message`, or the same as one line of JSON. */
export function reportError(error: unknown, json: boolean): void {
  const description = describeError(error);
  const text = json
    ? JSON.stringify({ error: description })
    : `${colour(process.stderr, 'red', 'error:')} ${description.code} ${description.message}`;
  process.stderr.write(`${text}\n`);
}

/** Coloured where somebody sees it and has not asked for none (no-color.org). */
export function colour(
  stream: { readonly isTTY?: boolean },
  name: 'red' | 'green' | 'yellow' | 'bold' | 'dim',
  text: string,
): string {
  const wanted = stream.isTTY === true && (process.env['NO_COLOR'] ?? '') === '';
  return wanted ? styleText(name, text, { validateStream: false }) : text;
}

/** The system's own code, as of a file that is not there; anything else is a bug of ours. */
function codeOf(error: unknown): string {
  const known = error instanceof Error && 'code' in error && typeof error.code === 'string';
  return known ? String(error.code) : 'INTERNAL';
}
