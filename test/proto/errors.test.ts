import t from 'tap';
import type { ErrorCode, Outcome } from '../../proto/errors.js';
import { assert, errorCodes, grpcStatus, LogLogError, withOutcome } from '../../proto/errors.js';

const codes = Object.keys(errorCodes) as ErrorCode[];

t.test('status numbers are those of gRPC', async (t) => {
  t.equal(Object.keys(grpcStatus).length, 15);
  t.same(
    Object.values(grpcStatus),
    Array.from({ length: 15 }, (_, i) => i + 1),
    'in the order of grpc/grpc doc/statuscodes.md, which leaves out 0 (OK) and 16',
  );
});

t.test('every code says its status, and whether a retry can help', async (t) => {
  for (const code of codes) {
    const { status, retryable } = errorCodes[code];
    t.ok(grpcStatus[status] > 0, `${code} has a gRPC status`);
    t.equal(new LogLogError(code, 'x').retryable, retryable, `${code} tells it`);
  }
});

t.test('an error carries what it was given and nothing else', async (t) => {
  const cause = new Error('below');
  const full = new LogLogError('OFFSET_TRIMMED', 'it is gone', {
    outcome: 'unknown',
    leader: { id: 'n1', address: 'localhost:1' },
    firstOffset: 1,
    end: 2,
    limit: 3,
    cause,
  });
  t.ok(full instanceof Error);
  t.equal(full.name, 'LogLogError');
  t.equal(full.message, 'it is gone');
  t.match(full, { code: 'OFFSET_TRIMMED', outcome: 'unknown', firstOffset: 1, end: 2, limit: 3 });
  t.same(full.leader, { id: 'n1', address: 'localhost:1' });
  t.equal(full.cause, cause);

  const bare = new LogLogError('INTERNAL', 'x');
  t.equal(bare.outcome, 'none', 'unless told otherwise, nothing happened');
  for (const name of ['leader', 'firstOffset', 'end', 'limit', 'cause']) {
    t.notOk(name in bare, `${name} is absent, not undefined`);
  }
});

t.test('zero is a value like any other', async (t) => {
  const error = new LogLogError('OFFSET_TRIMMED', 'x', { firstOffset: 0, end: 0, limit: 0 });
  t.match(error, { firstOffset: 0, end: 0, limit: 0 });
});

t.test('withOutcome changes the outcome and keeps the rest', async (t) => {
  const cause = new Error('below');
  const extras = { leader: { id: 'n2' }, firstOffset: 4, end: 5, limit: 6, cause } as const;
  for (const code of codes) {
    for (const outcome of ['none', 'unknown', 'committed'] satisfies Outcome[]) {
      const before = new LogLogError(code, 'why', { ...extras, outcome: 'none' });
      const after = withOutcome(before, outcome);
      t.match(after, { code, message: 'why', outcome, ...extras }, `${code} ${outcome}`);
      t.equal(after.cause, cause);
      t.equal(before.outcome, 'none', 'the first error is as it was');
    }
  }
});

t.test('withOutcome adds nothing that was absent', async (t) => {
  const after = withOutcome(new LogLogError('DEADLINE', 'x'), 'unknown');
  for (const name of ['leader', 'firstOffset', 'end', 'limit']) t.notOk(name in after, name);
});

t.test('an assertion that fails is an internal error with its message', async (t) => {
  assert(true, 'nothing to see');
  t.throws(() => assert(false, 'the sky is blue'), {
    code: 'INTERNAL',
    retryable: false,
    message: 'assertion failed: the sky is blue',
  });
});
