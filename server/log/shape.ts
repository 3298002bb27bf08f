/** Checks what was read from JSON. `what` names the value in the error, which is DATA_CORRUPT. */
import { LogLogError } from '../../proto/errors.js';

export function asFields(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw misshapen(what, 'an object');
  }
  return value as Readonly<Record<string, unknown>>;
}

export function asList(value: unknown, what: string): readonly unknown[] {
  if (!Array.isArray(value)) throw misshapen(what, 'a list');
  return value;
}

export function asText(value: unknown, what: string): string {
  if (typeof value !== 'string') throw misshapen(what, 'text');
  return value;
}

/** An offset, a term, a count: an integer from 0 to 2^53 - 1. */
export function asCount(value: unknown, what: string): number {
  if (!Number.isSafeInteger(value) || (value as number) < 0) throw misshapen(what, 'a count');
  return value as number;
}

export function misshapen(what: string, expected: string): LogLogError {
  return new LogLogError('DATA_CORRUPT', `${what} is not ${expected}`);
}
