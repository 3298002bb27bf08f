/**
 * What the log says up to an offset: a function of its batches and nothing else, so it can be
 * taken back with them, compared between nodes and built again from a checkpoint.
 */
import type { BatchHeader, Chain } from '../../proto/batch.js';
import { batchEnd } from '../../proto/batch.js';
import { checkEntries } from '../../proto/entries.js';
import { assert } from '../../proto/errors.js';
import { entryLengthBytes, tokenBytesMax } from '../../proto/limits.js';
import { Producers } from './producers.js';
import { asCount, asFields, asList, asText } from './shape.js';

/** Where a term begins in the log. */
export interface TermStart {
  readonly term: number;
  readonly startOffset: number;
}

interface Fields {
  endOffset: number;
  endChain: Chain;
  lastTerm: number;
  lastTimeMs: number;
  dataEnd: number;
  token: Buffer | null;
  terms: readonly TermStart[];
  readonly producers: Producers;
}

export class LogState {
  readonly #fields: Fields;

  private constructor(fields: Fields) {
    this.#fields = fields;
  }

  /** In front of the first batch. */
  static empty(genesis: Chain): LogState {
    return new LogState({
      endOffset: 0,
      endChain: genesis,
      lastTerm: 0,
      lastTimeMs: 0,
      dataEnd: 0,
      token: null,
      terms: [],
      producers: new Producers(),
    });
  }

  get endOffset(): number {
    return this.#fields.endOffset;
  }

  get endChain(): Chain {
    return this.#fields.endChain;
  }

  /** Of the last batch; 0 if there is none. */
  get lastTerm(): number {
    return this.#fields.lastTerm;
  }

  /** Of the last batch; 0 if there is none. */
  get lastTimeMs(): number {
    return this.#fields.lastTimeMs;
  }

  /** End of the last data batch; 0 if there is none. */
  get dataEnd(): number {
    return this.#fields.dataEnd;
  }

  /** The fencing token in force; null if there is none. */
  get token(): Buffer | null {
    return this.#fields.token;
  }

  /** Ascending. A list that was returned does not change. */
  get terms(): readonly TermStart[] {
    return this.#fields.terms;
  }

  get producers(): Producers {
    return this.#fields.producers;
  }

  /** The next batch of the log. Only the body of a `fence` batch is looked at, and not kept. */
  apply(header: BatchHeader, body: Buffer): void {
    const fields = this.#fields;
    assert(header.offset === fields.endOffset, 'a batch begins where the log ends');
    assert(header.term >= fields.lastTerm, 'terms do not go back in the log');
    assert(header.timeMs >= fields.lastTimeMs, 'time does not go back in the log');
    fields.producers.apply(header);
    if (header.kind === 'fence') fields.token = tokenIn(body);
    if (header.term > fields.lastTerm) {
      fields.terms = [...fields.terms, { term: header.term, startOffset: header.offset }];
    }
    fields.endOffset = batchEnd(header);
    fields.endChain = header.chain;
    fields.lastTerm = header.term;
    fields.lastTimeMs = header.timeMs;
    if (header.kind === 'data') fields.dataEnd = fields.endOffset;
  }

  clone(): LogState {
    return new LogState({ ...this.#fields, producers: this.#fields.producers.clone() });
  }

  toJson(): unknown {
    const { token, terms, producers, ...rest } = this.#fields;
    return {
      ...rest,
      token: token === null ? null : token.toString('hex'),
      terms: terms.map(({ term, startOffset }) => [term, startOffset]),
      producers: producers.toJson(),
    };
  }

  /** Throws DATA_CORRUPT for what toJson did not write. */
  static fromJson(value: unknown): LogState {
    const fields = asFields(value, "the log's state");
    const count = (name: string) => asCount(fields[name], `the log's state: ${name}`);
    const text = (name: string) => asText(fields[name], `the log's state: ${name}`);
    return new LogState({
      endOffset: count('endOffset'),
      endChain: text('endChain'),
      lastTerm: count('lastTerm'),
      lastTimeMs: count('lastTimeMs'),
      dataEnd: count('dataEnd'),
      token: fields['token'] === null ? null : Buffer.from(text('token'), 'hex'),
      terms: asList(fields['terms'], "the log's terms").map(termStartFromJson),
      producers: Producers.fromJson(fields['producers']),
    });
  }
}

function termStartFromJson(value: unknown): TermStart {
  const [term, startOffset] = asList(value, 'a term');
  return {
    term: asCount(term, "a term's number"),
    startOffset: asCount(startOffset, "a term's start"),
  };
}

/** The one entry of a `fence` batch; an empty one takes the token away. */
function tokenIn(body: Buffer): Buffer | null {
  const entries = checkEntries(body);
  assert(entries.ok && entries.count === 1, 'a fence batch has one entry');
  assert(body.length <= entryLengthBytes + tokenBytesMax, 'a fencing token is short');
  return body.length === entryLengthBytes ? null : Buffer.from(body.subarray(entryLengthBytes));
}
