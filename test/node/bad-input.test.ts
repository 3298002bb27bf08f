/** Whatever comes in on a node's ports: a clear error with a code, nothing lost, and it goes on. */
import { once } from 'node:events';
import { get } from 'node:http';
import { connect as connectSocket, createServer } from 'node:net';
import { text } from 'node:stream/consumers';
import { join } from 'node:path';
import { readFile, writeFile } from 'node:fs/promises';
import t from 'tap';
import { grpcTransport } from '../../client/index.js';
import type { ErrorCode, NodeOptions } from '../../index.js';
import { connect, LogLogError, Node } from '../../index.js';
import { freePorts, temporaryDirectory, TestCluster, until } from './cluster.js';
import { dataFrame, RawUpload } from './raw-upload.js';

const signal = new AbortController().signal;

async function codeOf(call: Promise<unknown>): Promise<ErrorCode | 'none'> {
  try {
    await call;
  } catch (error) {
    if (error instanceof LogLogError) return error.code;
    throw error;
  }
  return 'none';
}

t.test('one node, every kind of bad upload', async (t) => {
  const cluster = await TestCluster.start(1);
  t.teardown(() => cluster.close());
  const { address } = await cluster.leader();
  const client = await cluster.client();
  const uploads: RawUpload[] = [];
  t.teardown(() => uploads.forEach((one) => one.close()));
  const upload = (producer: string, version?: number) => {
    const opened = new RawUpload(address, producer, version);
    uploads.push(opened);
    return opened;
  };

  t.test('a body whose framing lies', async (t) => {
    const one = upload('00000000000000a1');
    const epoch = await one.open(1001);
    const good = dataFrame(epoch, 1, 'text', {});
    one.send({ ...good, entryCount: 2 });
    t.equal((await one.refused(1)).code, 'BAD_FRAMING');
    const body = Buffer.from(good.body);
    body.writeUInt32LE(1000, 0);
    one.send({ ...good, sequence: 2, body });
    t.equal((await one.refused(2)).code, 'BAD_CHECKSUM');
    one.send({ ...good, sequence: 3, append: { follows: 0, uploadedTo: 0 } });
    await one.acknowledged(3);
  });

  t.test('a gap names the sequence that was expected', async (t) => {
    const one = upload('00000000000000a2');
    const epoch = await one.open(1001);
    one.send(dataFrame(epoch, 1, 'first', {}));
    await one.acknowledged(1);
    one.send(dataFrame(epoch, 3, 'third', {}));
    const error = await one.refused(3);
    t.equal(error.code, 'SEQUENCE_GAP');
    t.match(error.message, /\b[12]\b/);
  });

  t.test('a producer that never opened, and a sequence used for other bytes', async (t) => {
    const one = upload('00000000000000a3');
    one.send(dataFrame(12_345, 1, 'hello', {}));
    t.equal((await one.refused(1)).code, 'PRODUCER_EXPIRED');
    const epoch = await one.open(4);
    one.send(dataFrame(epoch, 1, 'these bytes', {}));
    const { offset } = await one.acknowledged(1);
    one.send(dataFrame(epoch, 1, 'other bytes', {}));
    await until('the refusal', () => one.refusals.length === 2);
    t.equal(one.refusals[1]?.error.code, 'SEQUENCE_REUSED');
    one.send(dataFrame(epoch, 1, 'these bytes', {}));
    await until('the retry to be acknowledged', () => one.acknowledgements.length === 3);
    t.equal(one.acknowledgements[2]?.offset, offset, 'a retry gets the original offset');
  });

  t.test('another version of the protocol', async (t) => {
    t.equal((await upload('00000000000000a4', 99).ended())?.code, 'PROTOCOL_VERSION');
  });

  t.test('another cluster', async (t) => {
    const connection = grpcTransport.open(address);
    const call = connection.service.status({ clusterId: 'ab'.repeat(32) }, signal);
    t.equal(await codeOf(call), 'WRONG_CLUSTER');
    connection.close();
    t.equal(await codeOf(connect(address, { clusterId: 'ab'.repeat(32) })), 'WRONG_CLUSTER');
  });

  t.test('a unary append of nothing, and one too large', async (t) => {
    const connection = grpcTransport.open(address);
    t.teardown(() => connection.close());
    const append = (...entries: Buffer[]) => codeOf(connection.service.append({ entries }, signal));
    t.equal(await append(), 'EMPTY_APPEND');
    t.equal(await append(Buffer.alloc(0)), 'EMPTY_APPEND');
    t.equal(await append(Buffer.alloc(2 ** 24)), 'ENTRY_TOO_LARGE');
    t.equal(await append(Buffer.alloc(9e6), Buffer.alloc(8e6)), 'BATCH_TOO_LARGE');
    t.equal(await append(Buffer.from('plain bytes')), 'none');
  });

  t.test('an HTTP request on the gRPC port', async (t) => {
    const request = get(`http://${address}/`);
    const [response] = await once(request, 'response');
    t.equal(response.statusCode, 400);
    t.match(await text(response), 'NOT_GRPC');
  });

  t.test('garbage on the gRPC port', async (t) => {
    const { port } = new URL(`tcp://${address}`);
    const socket = connectSocket(Number(port), '127.0.0.1');
    const closed = new Promise((resolve) => socket.on('error', resolve).on('close', resolve));
    socket.end(Buffer.alloc(100_000, 0xa5));
    await closed;
    t.pass('the connection was closed');
  });

  const { end } = await client.append('it goes on');
  t.equal((await client.end()).dataEnd, end);
});

t.test('nothing listens there', async (t) => {
  const [port] = await freePorts(1);
  const connecting = connect(`127.0.0.1:${port}`, { timeoutMs: 500 });
  const error = await connecting.catch((reason: unknown) => reason);
  if (!(error instanceof LogLogError)) return t.fail('a LogLogError');
  t.equal(error.code, 'UNAVAILABLE');
  t.match(error.message, `127.0.0.1:${port}`);
});

t.test('directories and options that do not fit', async (t) => {
  const directory = await temporaryDirectory();
  const [port, ...peerPorts] = await freePorts(4);
  const options: NodeOptions = { id: 'n1', directory: join(directory, 'a') };
  const start = async (more: Partial<NodeOptions>) => {
    let node: Node | undefined;
    const starting = Node.start({ ...options, ...more }).then((started) => (node = started));
    const code = await codeOf(starting);
    await node?.stop();
    return code;
  };
  t.equal(await start({}), 'DIRECTORY_EMPTY', 'an empty directory without the flag');
  t.equal(await start({ newCluster: 'one' }), 'none');
  t.equal(await start({ newCluster: 'one' }), 'DIRECTORY_NOT_EMPTY', 'the flag, a second time');
  t.equal(await start({ id: 'n2' }), 'WRONG_NODE', "another node's directory");
  t.equal(await start({ createIfEmpty: 'two' }), 'WRONG_CLUSTER');
  const [first, second, third] = peerPorts.map((one) => `127.0.0.1:${one}`);
  const peers = { n1: first ?? '', n2: second ?? '', n3: third ?? '' };
  t.equal(await start({ peers }), 'WRONG_CLUSTER', "another cluster's directory");
  t.equal(await start({ segmentBytesMax: 1 }), 'CONFIG_INVALID');
  t.equal(await start({ segmentBytesMax: 2 ** 20 }), 'CONFIG_INVALID', 'it is fixed');
  const two = { n1: peers.n1, n2: peers.n2 };
  t.equal(await start({ peers: two }), 'CONFIG_INVALID', 'an even number of nodes');
  t.equal(await start({ directory: '/dev/null/x' }), 'DISK_FAILED', 'no place for a directory');
  t.equal(await start({ id: 'n9', peers }), 'CONFIG_INVALID', 'a list that does not name it');
  t.equal(await start({ listen: '127.0.0.1' }), 'CONFIG_INVALID', 'no port');
  t.equal(await start({ id: 'N 1' }), 'CONFIG_INVALID');

  const node = await Node.start(options);
  t.equal(await start({}), 'DIRECTORY_IN_USE', 'a second node on the same directory');
  await node.stop();

  const taken = createServer().listen(port, '127.0.0.1');
  await once(taken, 'listening');
  t.equal(await start({ listen: `127.0.0.1:${port}` }), 'ADDRESS_IN_USE');
  taken.close();
  t.equal(await start({ listen: `127.0.0.1:${port}` }), 'none', 'and it starts all the same later');

  const identity = join(directory, 'a', 'identity');
  const good = await readFile(identity);
  const flipped = Buffer.from(good);
  const flipIn = (copy: number) => flipped.writeUInt8(flipped.readUInt8(copy + 30) ^ 1, copy + 30);
  flipIn(0);
  await writeFile(identity, flipped);
  t.equal(await start({}), 'none', 'a flipped bit in one copy of the identity');
  t.ok((await readFile(identity)).equals(good), 'which is mended');
  flipIn(good.length / 2);
  await writeFile(identity, flipped);
  t.equal(await start({}), 'DATA_CORRUPT', 'flipped bits in both');
  await writeFile(identity, good);
  t.equal(await start({}), 'none');
});
