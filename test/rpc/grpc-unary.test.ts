import type { Client, ServiceError } from '@grpc/grpc-js';
import { fileURLToPath } from 'node:url';
import protobuf from 'protobufjs';
import t from 'tap';
import { errorFromGrpc } from '../../proto/error-detail.js';
import type { Outcome } from '../../proto/errors.js';
import { LogLogError } from '../../proto/errors.js';
import { loglogMethods } from '../../proto/grpc.js';
import type { ClientMethod } from './grpc-fixture.js';
import { callUnary, grpcClient, serve, until } from './grpc-fixture.js';
import { conditionFailed, page, status } from './recording-service.js';

/** A call to one of the methods, and what is expected to come back. */
const calls = {
  append: {
    request: {
      entries: [Buffer.from('first'), Buffer.alloc(0)],
      expect: 0,
      token: Buffer.from('token'),
      clusterId: 'cluster-1',
    },
    reply: { offset: 192, end: 300, entryOffsets: [288, 294] },
  },
  read: { request: { offset: 2 ** 53 - 1, limit: 2 ** 32 - 1, waitMs: 250 }, reply: page },
  end: {
    request: { linearizable: true, clusterId: 'cluster-1' },
    reply: { end: 2 ** 53 - 1, dataEnd: 0 },
  },
  status: { request: {}, reply: status },
  transfer: { request: { to: 'node-c' }, reply: { leader: 'node-c', term: 8 } },
} as const;

type Name = keyof typeof calls;
const names = Object.keys(calls) as Name[];

function call(client: Client, name: Name): Promise<unknown> {
  const method: ClientMethod<never, unknown> = loglogMethods[name];
  return callUnary(client, method, calls[name].request as never);
}

/** The error that a call fails with, as a client tells it. */
async function failureOf(running: Promise<unknown>, outcome: Outcome): Promise<unknown> {
  const error: unknown = await running.then(
    () => undefined,
    (caught: unknown) => caught,
  );
  return error === undefined ? undefined : errorFromGrpc(error, outcome);
}

t.test('every unary method carries all its fields both ways', async (t) => {
  const { service, client } = await serve(t);
  for (const name of names) {
    t.strictSame(await call(client, name), calls[name].reply, `the reply of ${name}`);
    t.strictSame(service.requests.pop(), calls[name].request, `the request of ${name}`);
  }
});

t.test('an error of the service arrives with everything that it carries', async (t) => {
  const { service, client } = await serve(t);
  service.failure = conditionFailed;
  for (const name of names) {
    const error = await failureOf(call(client, name), 'unknown');
    t.match(error, {
      name: 'LogLogError',
      code: 'CONDITION_FAILED',
      message: conditionFailed.message,
      retryable: false,
      outcome: 'none',
      end: 0,
      limit: 5,
      firstOffset: 2 ** 53 - 1,
      leader: conditionFailed.leader,
    });
  }
});

t.test('a failure of our own is told as INTERNAL and gives nothing away', async (t) => {
  const { service, client } = await serve(t);
  service.failure = new TypeError('a secret of the stack');
  const error = await failureOf(call(client, 'status'), 'none');
  t.match(error, { code: 'INTERNAL', message: 'internal error' });
});

t.test('a request that is cancelled aborts the signal of the service', async (t) => {
  const { service, client } = await serve(t);
  service.gate = new Promise(() => {});
  const { path, requestSerialize, responseDeserialize } = loglogMethods.read;
  const cancelled = new Promise<unknown>((resolve) => {
    const running = client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      calls.read.request,
      resolve,
    );
    void until(() => service.signals.length === 1).then(() => running.cancel());
  });
  t.match(errorFromGrpc(await cancelled, 'unknown'), { code: 'CANCELLED', outcome: 'unknown' });
  await until(() => service.signals[0]?.aborted === true);
});

t.test('a deadline that passes aborts the signal of the service', async (t) => {
  const { service, client } = await serve(t);
  service.gate = new Promise(() => {});
  const { path, requestSerialize, responseDeserialize } = loglogMethods.read;
  const failed = new Promise<unknown>((resolve) => {
    const options = { deadline: Date.now() + 300 };
    client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      calls.read.request,
      options,
      resolve,
    );
  });
  t.match(errorFromGrpc(await failed, 'unknown'), { code: 'DEADLINE', outcome: 'unknown' });
  await until(() => service.signals[0]?.aborted === true);
});

t.test('an answered request leaves its signal alone', async (t) => {
  const { service, client } = await serve(t);
  await call(client, 'read');
  await call(client, 'read');
  t.equal(service.signals[0]?.aborted, false);
});

t.test('bytes that are no request are an INVALID_ARGUMENT', async (t) => {
  const { service, client } = await serve(t);
  const garbage = { ...loglogMethods.read, requestSerialize: () => Buffer.from([0x08, 0xff]) };
  const error = await failureOf(callUnary(client, garbage, calls.read.request), 'unknown');
  t.match(error, { code: 'INVALID_ARGUMENT', outcome: 'none', message: /not a ReadRequest/ });
  t.equal(service.requests.length, 0);
});

t.test('an offset beyond what a number holds exactly is an INVALID_ARGUMENT', async (t) => {
  const { client } = await serve(t);
  const huge = {
    ...loglogMethods.read,
    requestSerialize: () => Buffer.from('08ffffffffffffffffff01', 'hex'),
  };
  const error = await failureOf(callUnary(client, huge, calls.read.request), 'unknown');
  t.match(error, { code: 'INVALID_ARGUMENT', message: /ReadRequest\.offset/ });
});

t.test('where nobody listens the error says so', async (t) => {
  const client = grpcClient('127.0.0.1:1');
  t.teardown(() => client.close());
  const error = await failureOf(call(client, 'status'), 'none');
  t.match(error, { code: 'UNAVAILABLE', retryable: true, message: /ECONNREFUSED/ });
  t.ok(error instanceof LogLogError && error.cause instanceof Error);
});

t.test('a call that the server does not know is a matter of versions', async (t) => {
  const { client } = await serve(t);
  const unknown = { ...loglogMethods.status, path: '/loglog.v1.LogLog/Later' };
  const error = await failureOf(callUnary(client, unknown, {}), 'none');
  t.match(error, { code: 'PROTOCOL_VERSION', retryable: false });
});

t.test('a client made from the .proto file alone appends and understands errors', async (t) => {
  const { service, client } = await serve(t);
  const file = fileURLToPath(new URL('../../proto/loglog.proto', import.meta.url));
  const root = protobuf.loadSync(file);
  const type = (name: string) => root.lookupType(`loglog.v1.${name}`);
  const identity = (bytes: Buffer) => bytes;
  const request = type('AppendRequest').encode({ entries: [Buffer.from('entry')], expect: 5 });
  const append = () =>
    new Promise<Buffer>((resolve, reject) => {
      const bytes = Buffer.from(request.finish());
      client.makeUnaryRequest(
        '/loglog.v1.LogLog/Append',
        identity,
        identity,
        bytes,
        (error, reply) => (reply === undefined ? reject(error as ServiceError) : resolve(reply)),
      );
    });

  const reply = type('AppendReply')
    .decode(await append())
    .toJSON();
  t.strictSame(reply, { offset: '192', end: '300', entryOffsets: ['288', '294'] });
  t.strictSame(service.requests, [{ entries: [Buffer.from('entry')], expect: 5 }]);

  service.failure = conditionFailed;
  const error: unknown = await append().catch((caught: unknown) => caught);
  t.match(error, { code: 9, details: conditionFailed.message });
  const [trailer] = (error as ServiceError).metadata.get('grpc-status-details-bin');
  const status = type('RpcStatus')
    .decode(trailer as Buffer)
    .toJSON();
  t.match(status, { code: 9, details: [{ typeUrl: 'type.googleapis.com/loglog.v1.ErrorDetail' }] });
  const detail = Buffer.from(status['details'][0].value as string, 'base64');
  t.match(type('ErrorDetail').decode(detail).toJSON(), { code: 'CONDITION_FAILED', end: '0' });
});
