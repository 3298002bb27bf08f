import { once } from 'node:events';
import { request } from 'node:http';
import type { Socket } from 'node:net';
import { connect as connectSocket, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { errorFromGrpc } from '../../proto/error-detail.js';
import { loglogMethods } from '../../proto/grpc.js';
import { GrpcServer } from '../../server/rpc/grpc-server.js';
import { callUnary, drain, grpcClient, openUpload, serve, until } from './grpc-fixture.js';
import { RecordingService, status } from './recording-service.js';

const hello = { protocolVersion: 1, producer: '0123456789abcdef' };

function connect(address: string): Socket {
  const { hostname, port } = new URL(`tcp://${address}`);
  return connectSocket(Number(port), hostname).on('error', () => {});
}

/** Everything that the other side sends until the connection ends. */
async function received(socket: Socket): Promise<string> {
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
  await new Promise((resolve) => socket.once('close', resolve));
  return text;
}

t.test('an HTTP/1 request is told that this is a gRPC port', async (t) => {
  const { server } = await serve(t);
  const sent = request(`http://${server.address}/status`, { method: 'POST' });
  sent.end('x'.repeat(100_000));
  const [response] = await once(sent, 'response');
  let text = '';
  for await (const chunk of response) text += String(chunk);
  t.equal(response.statusCode, 400);
  t.match(JSON.parse(text), { code: 'NOT_GRPC', message: /HTTP\/1/, hint: /gRPC client/ });
});

t.test('an HTTP/1 request that comes byte by byte gets the same answer', async (t) => {
  const { server } = await serve(t);
  const socket = connect(server.address);
  socket.setNoDelay(true);
  const answer = received(socket);
  for (const byte of 'PATCH / HTTP/1.1\r\n') {
    socket.write(byte);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  t.match(await answer, /^HTTP\/1\.1 400 [^]*NOT_GRPC/);
});

t.test('garbage closes its own connection and nothing else', async (t) => {
  const { server, client } = await serve(t);
  const garbage = [
    Buffer.alloc(1),
    Buffer.alloc(1 << 20, 0xff),
    Buffer.from('PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n'),
    Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), Buffer.alloc(10_000, 0xaa)]),
    Buffer.from('GETTING / HTTP/1.1\r\n\r\n'),
    Buffer.from('\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 'latin1'),
  ];
  for (const bytes of garbage) {
    const socket = connect(server.address);
    const closed = received(socket);
    socket.write(bytes);
    t.notMatch(await closed, 'NOT_GRPC');
  }
  t.strictSame(await callUnary(client, loglogMethods.status, {}), status);
});

t.test('a connection that never says what it speaks is closed', async (t) => {
  const { server } = await serve(t);
  const socket = connect(server.address);
  socket.write('PRI * HTTP/2.0');
  t.equal(await received(socket), '');
});

t.test('an HTTP/2 preface that comes in pieces is put together again', async (t) => {
  const { server } = await serve(t);
  const backend = server.address;
  const proxy = createServer((incoming) => {
    const outgoing = connect(backend);
    outgoing.setNoDelay(true);
    outgoing.pipe(incoming);
    incoming.on('error', () => {}).once('close', () => outgoing.destroy());
    incoming.once('data', (first: Buffer) => {
      incoming.pause();
      outgoing.write(first.subarray(0, 5));
      setTimeout(() => {
        outgoing.write(first.subarray(5));
        incoming.pipe(outgoing);
      }, 50);
    });
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  const { port } = proxy.address() as { port: number };
  const client = grpcClient(`127.0.0.1:${port}`);
  t.teardown(() => {
    client.close();
    proxy.close();
  });
  t.strictSame(await callUnary(client, loglogMethods.status, {}), status);
});

t.test('an address in use is named', async (t) => {
  const { server } = await serve(t);
  const port = Number(server.address.split(':')[1]);
  const second = GrpcServer.start(new RecordingService(), { host: '127.0.0.1', port });
  await t.rejects(second, { code: 'ADDRESS_IN_USE', message: new RegExp(server.address) });
  const nowhere = GrpcServer.start(new RecordingService(), { host: '192.0.2.1', port: 0 });
  await t.rejects(nowhere, { code: 'CONFIG_INVALID', message: /192\.0\.2\.1:0/ });
});

t.test('closing lets running calls finish', async (t) => {
  const service = new RecordingService();
  const server = await GrpcServer.start(service, { host: '127.0.0.1', port: 0 });
  const client = grpcClient(server.address);
  t.teardown(() => client.close());
  let open = () => {};
  service.gate = new Promise((resolve) => (open = resolve));
  const running = callUnary(client, loglogMethods.status, {});
  await until(() => service.requests.length === 1);
  const closed = server.close(60_000);
  open();
  t.strictSame(await running, status);
  await closed;
});

t.test('closing cuts off what goes on for longer than the grace', async (t) => {
  const service = new RecordingService();
  const server = await GrpcServer.start(service, { host: '127.0.0.1', port: 0 });
  const client = grpcClient(server.address);
  t.teardown(() => client.close());
  const silent = connect(server.address);
  const silentClosed = once(silent, 'close');
  await once(silent, 'connect');
  const stream = openUpload(client);
  stream.write({ type: 'hello', hello });
  await until(() => service.uploads.length === 1);
  const ended = drain(stream);
  await server.close(50);
  await silentClosed;
  const { error } = await ended;
  t.match(errorFromGrpc(error, 'unknown'), { retryable: true, outcome: 'unknown' });
  await until(() => service.uploads[0]?.closed === true);
  await t.rejects(callUnary(client, loglogMethods.status, {}), { code: 14 });
});

t.test('closing does not wait for a client that says no more', async (t) => {
  const server = await GrpcServer.start(new RecordingService(), { host: '127.0.0.1', port: 0 });
  const socket = connect(server.address);
  t.teardown(() => socket.destroy());
  socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
  await once(socket, 'readable');
  const closed = server.close(50);
  t.equal(await Promise.race([closed, sleep(5000, 'in vain')]), undefined);
});

t.test('thousands of calls may wait on one connection', async (t) => {
  const { service, client } = await serve(t);
  const count = 2_000;
  let open = () => {};
  service.gate = new Promise((resolve) => (open = resolve));
  const request = { offset: 0, limit: 1, waitMs: 60_000 };
  const calls = Array.from({ length: count }, () => callUnary(client, loglogMethods.read, request));
  await until(() => service.requests.length === count);
  open();
  t.equal((await Promise.all(calls)).length, count);
});
