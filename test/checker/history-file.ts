/**
 * Histories in files: one JSON object a line, the operations first, then the batches of the final
 * log, each of which has the type `batch`.
 */
import { createReadStream, createWriteStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { LogLogError } from '../../proto/errors.js';
import type { FinalBatch, History, Operation } from './history.js';

/** Lines that are written at a time. */
const linesPerWrite = 1000;

/** Overwrites what is there. */
export async function writeHistory(path: string, history: History): Promise<void> {
  await pipeline(Readable.from(chunksOf(history)), createWriteStream(path));
}

/** Throws INVALID_ARGUMENT, with the number of the line, at the first that is not of a history. */
export async function readHistory(path: string): Promise<History> {
  const operations: Operation[] = [];
  const final: FinalBatch[] = [];
  let number = 0;
  const input = createReadStream(path);
  for await (const line of createInterface({ input, crlfDelay: Infinity })) {
    number += 1;
    const value = parse(line);
    if (isOperation(value)) operations.push(value);
    else if (isBatchLine(value)) final.push(value.batch);
    else {
      const message = `${path}:${number} is not a line of a history: ${line.slice(0, 80)}`;
      throw new LogLogError('INVALID_ARGUMENT', message);
    }
  }
  return { operations, final };
}

function* chunksOf({ operations, final }: History): Generator<string> {
  let lines: string[] = [];
  for (const value of linesOf(operations, final)) {
    lines.push(`${JSON.stringify(value)}\n`);
    if (lines.length < linesPerWrite) continue;
    yield lines.join('');
    lines = [];
  }
  if (lines.length > 0) yield lines.join('');
}

interface BatchLine {
  readonly type: 'batch';
  readonly batch: FinalBatch;
}

function* linesOf(
  operations: readonly Operation[],
  final: readonly FinalBatch[],
): Generator<Operation | BatchLine> {
  yield* operations;
  for (const batch of final) yield { type: 'batch', batch };
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    // No line of a history is undefined.
    return undefined;
  }
}

type Check = (value: unknown) => boolean;
type Shape = Readonly<Record<string, Check>>;

const isString: Check = (value) => typeof value === 'string';
const isNumber: Check = (value) => typeof value === 'number';
const isBoolean: Check = (value) => typeof value === 'boolean';
const oneOf =
  (...words: readonly unknown[]): Check =>
  (value) =>
    words.includes(value);
const either =
  (...checks: readonly Check[]): Check =>
  (value) =>
    checks.some((check) => check(value));
const listOf =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(check);
const optional = (check: Check): Check => either(check, oneOf(undefined));
const object =
  (shape: Shape): Check =>
  (value) => {
    if (typeof value !== 'object' || value === null) return false;
    const fields = new Map(Object.entries(value));
    return Object.entries(shape).every(([name, check]) => check(fields.get(name)));
  };

const isEntry = object({ offset: isNumber, fingerprint: isString });
const call: Shape = {
  session: isString,
  calledAt: isNumber,
  returnedAt: either(isNumber, oneOf(null)),
};
const isOutcome = either(
  object({ type: oneOf('acknowledged'), offsets: listOf(isNumber), end: isNumber }),
  object({ type: oneOf('failed'), code: isString, end: optional(isNumber) }),
  object({ type: oneOf('unknown'), code: isString }),
);
const isAnyOperation = either(
  object({
    ...call,
    type: oneOf('append'),
    entries: listOf(isString),
    expect: optional(isNumber),
    outcome: isOutcome,
  }),
  object({
    ...call,
    type: oneOf('read'),
    from: isNumber,
    next: isNumber,
    entries: listOf(isEntry),
    stream: optional(isString),
  }),
  object({ ...call, type: oneOf('end'), dataEnd: isNumber, linearizable: isBoolean }),
  object({
    ...call,
    type: oneOf('wait'),
    offset: isNumber,
    waitMs: isNumber,
    outcome: oneOf('more', 'nothing', 'failed'),
    readableAt: either(isNumber, oneOf(null)),
  }),
);
const isAnyBatchLine = object({
  type: oneOf('batch'),
  batch: object({ offset: isNumber, end: isNumber, entries: listOf(isEntry) }),
});

function isOperation(value: unknown): value is Operation {
  return isAnyOperation(value);
}

function isBatchLine(value: unknown): value is BatchLine {
  return isAnyBatchLine(value);
}
