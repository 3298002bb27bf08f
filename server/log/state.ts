/**
 * What the log says up to an offset: a function of its batches and nothing else, so it can be
 * taken back with them, compared between nodes and built again from a checkpoint.
 */
import type { BatchHeader, Chain } from '../../proto/batch.js';
import { batchEnd } from '../../proto/batch.js';
import { checkEntries } from '../../proto/entries.js';
import { assert } from '../../proto/errors.js';
import { entryLengthBytes, tokenBytesMax } from '../../proto/limits.js';
import { admissionIn } from './incarnation.js';
import { Producers } from './producers.js';
import { asCount, asFields, asList, asText } from './shape.js';

/** Where a term begins in the log. */
export interface TermStart {
  readonly term: number;
  readonly startOffset: number;
}

/** Where the log admits an incarnation of a node. */
export interface AdmissionAt {
  readonly node: string;
  readonly incarnation: number;
  /** Of its batch; so is `end`. */
  readonly offset: number;
  readonly end: number;
}

interface Fields {
  endOffset: number;
  endChain: Chain;
  lastTerm: number;
  lastTimeMs: number;
  dataEnd: number;
  token: Buffer | null;
  terms: readonly TermStart[];
  admissions: readonly AdmissionAt[];
  readonly producers: Producers;
}

/** Whether the state depends on what is inside the batch. */
export function needsBody({ kind }: BatchHeader): boolean {
  return kind === 'fence' || kind === 'incarnation';
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
      admissions: [],
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

  /** In the order of the log. A list that was returned does not change. */
  get admissions(): readonly AdmissionAt[] {
    return this.#fields.admissions;
  }

  get producers(): Producers {
    return this.#fields.producers;
  }

  /** The next batch of the log. `needsBody` says whose body is looked at; none is kept. */
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
    if (header.kind === 'incarnation') {
      const at = { offset: header.offset, end: batchEnd(header) };
      fields.admissions = [...fields.admissions, { ...admissionIn(body), ...at }];
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
    const { token, terms, admissions, producers, ...rest } = this.#fields;
    return {
      ...rest,
      token: token === null ? null : token.toString('hex'),
      terms: terms.map(({ term, startOffset }) => [term, startOffset]),
      admissions: admissions.map(({ node, incarnation, offset, end }) => [
        node,
        incarnation,
        offset,
        end,
      ]),
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
      admissions: asList(fields['admissions'], "the log's admissions").map(admissionFromJson),
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

function admissionFromJson(value: unknown): AdmissionAt {
  const [node, incarnation, offset, end] = asList(value, 'an admission');
  return {
    node: asText(node, "an admission's node"),
    incarnation: asCount(incarnation, "an admission's incarnation"),
    offset: asCount(offset, "an admission's offset"),
    end: asCount(end, "an admission's end"),
  };
}

/** The one entry of a `fence` batch; an empty one takes the token away. */
function tokenIn(body: Buffer): Buffer | null {
  const entries = checkEntries(body);
  assert(entries.ok && entries.count === 1, 'a fence batch has one entry');
  assert(body.length <= entryLengthBytes + tokenBytesMax, 'a fencing token is short');
  return body.length === entryLengthBytes ? null : Buffer.from(body.subarray(entryLengthBytes));
}
