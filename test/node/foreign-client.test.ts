/** A client in no way ours: made from loglog.proto alone, as one in any other language would be. */
import { Client, credentials, type ServiceError } from '@grpc/grpc-js';
import protobuf from 'protobufjs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { TestCluster } from './cluster.js';

const { Root, util } = protobuf;
type Fields = Record<string, unknown>;

const root = new Root();
root.loadSync(fileURLToPath(new URL('../../proto/loglog.proto', import.meta.url)));
const service = root.lookupService('loglog.v1.LogLog');

/** Calls a unary method by its name, with and for plain objects. */
function call(address: string, name: string, request: Fields): Promise<Fields> {
  const method = service.methods[name];
  if (method === undefined) throw new Error(`the service has no method ${name}`);
  const requestType = root.lookupType(`loglog.v1.${method.requestType}`);
  const replyType = root.lookupType(`loglog.v1.${method.responseType}`);
  const client = new Client(address, credentials.createInsecure());
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      `/loglog.v1.LogLog/${name}`,
      (value: Fields) => Buffer.from(requestType.encode(requestType.fromObject(value)).finish()),
      (bytes: Buffer) => replyType.toObject(replyType.decode(bytes), { longs: Number }),
      request,
      (error, reply) => {
        client.close();
        if (error !== null) reject(error);
        else resolve(reply ?? {});
      },
    );
  });
}

function detailOf(error: ServiceError): Fields {
  const [bytes] = error.metadata.get('grpc-status-details-bin');
  const status = root.lookupType('loglog.v1.RpcStatus').decode(Buffer.from(bytes ?? ''));
  const { details } = status.toJSON() as { details: { value: string }[] };
  const text = details[0]?.value ?? '';
  const value = new Uint8Array(util.base64.length(text));
  util.base64.decode(text, value, 0);
  return root.lookupType('loglog.v1.ErrorDetail').decode(value).toJSON();
}

async function failure(calling: Promise<unknown>): Promise<ServiceError> {
  try {
    await calling;
  } catch (error) {
    return error as ServiceError;
  }
  throw new Error('the call should have failed');
}

t.test('plain entries go in and come out', async (t) => {
  const cluster = await TestCluster.start(3);
  t.teardown(() => cluster.close());
  const { address } = await cluster.leader();
  const entries = ['one', 'two'].map((entry) => Buffer.from(entry));
  const reply = await call(address, 'Append', { entries });
  const offset = reply['offset'] as number;
  t.same(reply['entryOffsets'], [offset + 96, offset + 96 + 4 + 3]);

  for (const node of cluster.addresses) {
    const page = await call(node, 'Read', { offset, limit: 1000, waitMs: 5000 });
    t.equal(page['offset'], offset);
    const batches = page['batches'] as Buffer;
    t.equal(batches.toString('latin1', 0, 4), 'LLog');
    t.equal(batches.toString('latin1', 100, 103), 'one', 'as docs/FORMAT.md says');
    t.equal(batches.toString('latin1', 107, 110), 'two');
  }
});

t.test('what fails has a status, a code and a hint', async (t) => {
  const cluster = await TestCluster.start(3);
  t.teardown(() => cluster.close());
  const leader = await cluster.leader();
  const [follower] = await cluster.followers();
  const entries = [Buffer.from('to the wrong node')];
  const misled = await failure(call(follower?.address ?? '', 'Append', { entries }));
  t.equal(misled.code, 14, 'UNAVAILABLE');
  t.match(detailOf(misled), {
    code: 'NOT_LEADER',
    retryable: true,
    outcome: 'none',
    leader: { id: leader.id, address: leader.address },
  });
  const { end } = await call(leader.address, 'Append', { entries });
  const conflict = await failure(call(leader.address, 'Append', { entries, expect: 0 }));
  t.equal(conflict.code, 9, 'FAILED_PRECONDITION');
  t.match(detailOf(conflict), { code: 'CONDITION_FAILED', outcome: 'none', end: String(end) });
  const empty = await failure(call(leader.address, 'Append', { entries: [] }));
  t.equal(detailOf(empty)['code'], 'EMPTY_APPEND');
});
