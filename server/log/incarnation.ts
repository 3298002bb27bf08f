/**
 * The body of a batch that admits an incarnation of a node: two entries, the node's id in UTF-8
 * and the incarnation's number in decimal digits.
 */
import { checkEntries, encodeEntries } from '../../proto/entries.js';
import { assert } from '../../proto/errors.js';
import { entryLengthBytes } from '../../proto/limits.js';

export const incarnationEntries = 2;

export function incarnationBody(node: string, incarnation: number): Buffer {
  assert(Number.isSafeInteger(incarnation) && incarnation > 0, 'incarnations count from 1');
  return encodeEntries([Buffer.from(node), Buffer.from(String(incarnation))]);
}

/** Only a leader writes such batches, so that a body is something else cannot be. */
export function admissionIn(body: Buffer): { node: string; incarnation: number } {
  const entries = checkEntries(body);
  assert(entries.ok && entries.count === incarnationEntries, 'an admission has two entries');
  const nodeEnd = entryLengthBytes + body.readUInt32LE(0);
  const node = body.toString('utf8', entryLengthBytes, nodeEnd);
  const digits = body.toString('latin1', nodeEnd + entryLengthBytes);
  const incarnation = Number(digits);
  const whole = Number.isSafeInteger(incarnation) && String(incarnation) === digits;
  assert(whole && incarnation > 0, 'an incarnation is a number');
  return { node, incarnation };
}
