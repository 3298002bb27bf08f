import type { ServiceError } from '@grpc/grpc-js';
import t from 'tap';
import { errorFromGrpc } from '../../proto/error-detail.js';
import { LogLogError } from '../../proto/errors.js';
import { loglogMethods } from '../../proto/grpc.js';
import type { UploadFrame, UploadReply } from '../../proto/service.js';
import { pagesInFlightMax } from '../../server/rpc/tail-call.js';
import { queuedRepliesMax } from '../../server/rpc/upload-call.js';
import type { Fixture } from './grpc-fixture.js';
import { drain, openStream, openTail, openUpload, serve, until } from './grpc-fixture.js';
import { conditionFailed, page } from './recording-service.js';

const hello = { protocolVersion: 1, clusterId: 'cluster-1', producer: '0123456789abcdef' };
const frame: UploadFrame = {
  kind: 'data',
  epoch: 2 ** 53 - 1,
  sequence: 2 ** 40,
  entryCount: 3,
  bodyChecksum: 2 ** 32 - 1,
  append: { follows: 0, expect: 0, token: Buffer.from('token'), uploadedTo: 0b101 },
  body: Buffer.from('entries, framed'),
};

async function firstUpload({ service, client }: Fixture) {
  const stream = openUpload(client);
  stream.write({ type: 'hello', hello });
  await until(() => service.uploads.length === 1);
  const [upload] = service.uploads;
  if (upload === undefined) throw new Error('no upload');
  return { stream, upload };
}

async function firstTail({ service, client }: Fixture) {
  const stream = openTail(client);
  const request = { offset: 2 ** 53 - 1, limit: 2 ** 32 - 1, clusterId: 'cluster-1' };
  stream.write({ type: 'start', request });
  await until(() => service.tails.length === 1);
  const [tail] = service.tails;
  if (tail === undefined) throw new Error('no tail');
  return { stream, tail, request };
}

const sum = (numbers: readonly number[]) => numbers.reduce((total, next) => total + next, 0);

t.test('an upload carries hello and frames in, and every kind of reply out', async (t) => {
  const { stream, upload } = await firstUpload(await serve(t));
  const fence: UploadFrame = { ...frame, kind: 'fence', body: Buffer.alloc(0) };
  const { append: _, ...open } = { ...frame, kind: 'open' as const, sequence: 0 };
  for (const sent of [frame, fence, open]) stream.write({ type: 'frame', frame: sent });
  await until(() => upload.frames.length === 3);
  t.strictSame(upload.hello, hello);
  t.strictSame(upload.frames, [frame, fence, open]);

  const leader = { leader: { id: 'node-a' }, term: 3 };
  const replies: UploadReply[] = [
    { type: 'welcome', protocolVersion: 1, clusterId: 'cluster-1', nodeId: 'node-b', leader },
    { type: 'leader', change: { term: 4 } },
    { type: 'leader', change: { leader: { id: 'node-c', address: 'localhost:1' }, term: 5 } },
    {
      type: 'acknowledged',
      acknowledgements: [
        { epoch: 1, sequence: 2, offset: 0, end: 2 ** 53 - 1 },
        { epoch: 1, sequence: 3, offset: 5, end: 6 },
      ],
    },
    { type: 'refused', epoch: 1, sequence: 2, error: conditionFailed },
    { type: 'missing', sequences: [1, 2 ** 53 - 1, 0] },
  ];
  for (const reply of replies) upload.handlers.onReply(reply);
  upload.handlers.onClose();
  const { messages, error } = await drain(stream);
  t.equal(error, undefined);
  t.match(messages, replies);
  t.equal(messages.length, replies.length);
});

t.test('a client that half-closes still gets the answers, and then the end', async (t) => {
  const { stream, upload } = await firstUpload(await serve(t));
  stream.end();
  await until(() => upload.closed);
  upload.handlers.onReply({ type: 'missing', sequences: [7] });
  upload.handlers.onClose();
  t.strictSame(await drain(stream), {
    messages: [{ type: 'missing', sequences: [7] }],
    error: undefined,
  });
});

t.test('an upload without a hello, with two, or of garbage is an INVALID_ARGUMENT', async (t) => {
  const { service, client } = await serve(t);
  const withoutHello = openUpload(client);
  withoutHello.write({ type: 'frame', frame });
  const withTwo = openUpload(client);
  withTwo.write({ type: 'hello', hello });
  withTwo.write({ type: 'hello', hello });
  const ofGarbage = openStream(client, {
    ...loglogMethods.upload,
    requestSerialize: () => Buffer.from([0x7a, 0xff]),
  });
  ofGarbage.write({ type: 'hello', hello });
  for (const { error } of await Promise.all([withoutHello, withTwo, ofGarbage].map(drain))) {
    t.match(errorFromGrpc(error, 'unknown'), { code: 'INVALID_ARGUMENT', outcome: 'none' });
  }
  t.equal(service.uploads.length, 1);
  t.equal(service.uploads[0]?.closed, true);
});

t.test('an upload that the service refuses or ends carries the error', async (t) => {
  const fixture = await serve(t);
  const { stream, upload } = await firstUpload(fixture);
  upload.handlers.onClose(new LogLogError('SHUTTING_DOWN', 'the node stops'));
  const ended = await drain(stream);
  t.match(errorFromGrpc(ended.error, 'unknown'), { code: 'SHUTTING_DOWN', outcome: 'none' });

  fixture.service.failure = new LogLogError('WRONG_CLUSTER', 'this is another cluster');
  const refused = openUpload(fixture.client);
  refused.write({ type: 'hello', hello });
  const { error } = await drain(refused);
  t.match(errorFromGrpc(error, 'unknown'), { code: 'WRONG_CLUSTER', retryable: false });
});

t.test('a client that cancels its upload closes the stream of the service', async (t) => {
  const { stream, upload } = await firstUpload(await serve(t));
  stream.on('error', (error: ServiceError) => t.equal(error.code, 1));
  stream.cancel();
  await until(() => upload.closed);
  upload.handlers.onReply({ type: 'missing', sequences: [1] });
  upload.handlers.onClose();
});

t.test('without room in the service no more frames are read until it drains', async (t) => {
  const { stream, upload } = await firstUpload(await serve(t));
  upload.hasRoom = false;
  const large = { ...frame, body: Buffer.alloc(2 ** 20) };
  const count = 64;
  for (let sent = 0; sent < count; sent += 1) stream.write({ type: 'frame', frame: large });
  await until(() => upload.frames.length > 0);
  await new Promise((resolve) => setTimeout(resolve, 200));
  t.equal(upload.frames.length, 1, 'it stopped after the first');
  upload.hasRoom = true;
  upload.handlers.onDrain();
  await until(() => upload.frames.length === count);
  stream.cancel();
  await drain(stream);
});

t.test('a client that does not read its replies loses the stream, not the server', async (t) => {
  const { stream, upload } = await firstUpload(await serve(t));
  const sequences = Array.from({ length: 1000 }, (_, index) => 2 ** 52 + index);
  let replies = 0;
  while (!upload.closed && replies < 100 * queuedRepliesMax) {
    for (let burst = 0; burst < 64; burst += 1)
      upload.handlers.onReply({ type: 'missing', sequences });
    replies += 64;
    await new Promise((resolve) => setImmediate(resolve));
  }
  t.ok(upload.closed, 'the service was told to stop');
  const { error } = await drain(stream);
  t.match(errorFromGrpc(error, 'none'), {
    code: 'RESOURCE_EXHAUSTED',
    outcome: 'unknown',
    limit: queuedRepliesMax,
  });
});

t.test('a tail carries its request and credits in, and pages out', async (t) => {
  const { stream, tail, request } = await firstTail(await serve(t));
  t.strictSame(tail.request, request);
  t.strictSame(tail.credits, [], 'it begins without credits');
  stream.write({ type: 'credits', pages: 2 });
  await until(() => tail.credits.length > 0);
  t.strictSame(tail.credits, [2]);
  tail.handlers.onPage(page);
  tail.handlers.onPage({ ...page, batches: Buffer.alloc(0) });
  tail.handlers.onClose(new LogLogError('OFFSET_TRIMMED', 'gone', { firstOffset: 4096 }));
  const { messages, error } = await drain(stream);
  t.strictSame(messages, [page, { ...page, batches: Buffer.alloc(0) }]);
  t.match(errorFromGrpc(error, 'none'), { code: 'OFFSET_TRIMMED', firstOffset: 4096 });
});

t.test('credits may come with the start', async (t) => {
  const { service, client } = await serve(t);
  const stream = openTail(client);
  stream.write({ type: 'start', request: { offset: 0, limit: 1 }, pages: 1 });
  await until(() => service.tails[0]?.credits.length === 1);
  t.strictSame(service.tails[0]?.credits, [1]);
  stream.end();
  await until(() => service.tails[0]?.closed === true);
  service.tails[0]?.handlers.onClose();
  t.strictSame(await drain(stream), { messages: [], error: undefined });
});

t.test('no credit makes the server hold more than a few pages', async (t) => {
  const { stream, tail } = await firstTail(await serve(t));
  const large = { ...page, batches: Buffer.alloc(8 * 2 ** 20) };
  stream.write({ type: 'credits', pages: 1_000_000 });
  await until(() => tail.credits.length > 0);
  t.equal(sum(tail.credits), pagesInFlightMax);
  for (let sent = 0; sent < pagesInFlightMax; sent += 1) tail.handlers.onPage(large);
  let read = 0;
  stream.on('data', () => (read += 1));
  stream.on('error', (error: ServiceError) => t.equal(error.code, 1));
  await until(() => read === pagesInFlightMax && sum(tail.credits) === 2 * pagesInFlightMax);
  stream.cancel();
  await until(() => tail.closed);
});

t.test('a tail without a start, with two, or of garbage is an INVALID_ARGUMENT', async (t) => {
  const { client } = await serve(t);
  const start = { type: 'start', request: { offset: 0, limit: 1 } } as const;
  const withoutStart = openTail(client);
  withoutStart.write({ type: 'credits', pages: 1 });
  const withTwo = openTail(client);
  withTwo.write(start);
  withTwo.write(start);
  const ofGarbage = openStream(client, {
    ...loglogMethods.tail,
    requestSerialize: () => Buffer.from([0x0a, 0xff]),
  });
  ofGarbage.write(start);
  for (const { error } of await Promise.all([withoutStart, withTwo, ofGarbage].map(drain))) {
    t.match(errorFromGrpc(error, 'unknown'), { code: 'INVALID_ARGUMENT' });
  }
});
