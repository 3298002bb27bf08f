import t from 'tap';
import { exitCodeOf } from '../../cli/exit.js';
import { describeError } from '../../cli/output.js';
import type { ErrorCode } from '../../proto/errors.js';
import { LogLogError } from '../../proto/errors.js';

const expected: readonly (readonly [ErrorCode, number])[] = [
  ['EMPTY_APPEND', 1],
  ['ENTRY_TOO_LARGE', 1],
  ['ADDRESS_IN_USE', 1],
  ['CONFIG_INVALID', 2],
  ['OFFSET_INVALID', 2],
  ['LIMIT_INVALID', 2],
  ['UNKNOWN_NODE', 2],
  ['UNAVAILABLE', 3],
  ['DEADLINE', 4],
  ['CONDITION_FAILED', 6],
  ['EPOCH_FENCED', 7],
  ['TOKEN_MISMATCH', 7],
  ['OFFSET_TRIMMED', 8],
];

for (const [code, status] of expected) {
  t.test(`${code} exits with ${status}`, async (t) => {
    t.equal(exitCodeOf(new LogLogError(code, 'why')), status);
  });
}

t.test('an unknown outcome exits with 5, whatever the code', async (t) => {
  for (const code of ['DEADLINE', 'CONDITION_AHEAD', 'UNAVAILABLE', 'EPOCH_FENCED'] as const) {
    t.equal(exitCodeOf(new LogLogError(code, 'why', { outcome: 'unknown' })), 5, code);
  }
});

t.test('what is not ours exits with 1 and keeps its own code', async (t) => {
  const missing = Object.assign(new Error('no such file'), { code: 'ENOENT' });
  t.equal(exitCodeOf(missing), 1);
  t.match(describeError(missing), { code: 'ENOENT', message: 'no such file', outcome: 'none' });
  t.match(describeError(new TypeError('oops')), { code: 'INTERNAL', message: 'oops' });
});

t.test('an error as JSON says what a caller can act on', async (t) => {
  const error = new LogLogError('CONDITION_FAILED', 'the end is 7', { end: 7 });
  t.same(JSON.parse(JSON.stringify(describeError(error))), {
    code: 'CONDITION_FAILED',
    message: 'the end is 7',
    retryable: false,
    outcome: 'none',
    end: 7,
  });
});
