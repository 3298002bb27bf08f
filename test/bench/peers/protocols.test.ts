import t from 'tap';
import { decodeRange, decodeWatched, encodePut, isStatusOfLeader } from './etcd-messages.js';
import type { NatsMessage } from './nats-parser.js';
import { NatsParser } from './nats-parser.js';
import type { RespValue } from './resp.js';
import { request, RespError, RespParser } from './resp.js';

/** The input whole, in two parts cut anywhere, and byte by byte. */
function cuts(input: Buffer): Buffer[][] {
  const halves = Array.from({ length: input.length }, (_, at) => [
    input.subarray(0, at),
    input.subarray(at),
  ]);
  const bytes = Array.from(input, (_, at) => input.subarray(at, at + 1));
  return [[input], ...halves, bytes];
}

t.test('replies of Redis are the same however they are cut', async (t) => {
  const input = Buffer.from(
    '+OK\r\n:-7\r\n$4\r\na\r\nb\r\n$0\r\n\r\n$-1\r\n*-1\r\n*0\r\n-ERR no\r\n' +
      '*2\r\n*2\r\n$3\r\n1-0\r\n*2\r\n$1\r\ne\r\n$2\r\n\r\n\r\n*0\r\n:1\r\n',
  );
  for (const parts of cuts(input)) {
    const replies: RespValue[] = [];
    const parser = new RespParser((reply) => replies.push(reply));
    for (const part of parts) parser.push(part);
    t.same(replies, [
      'OK',
      -7,
      Buffer.from('a\r\nb'),
      Buffer.alloc(0),
      null,
      null,
      [],
      new RespError('ERR no'),
      [[Buffer.from('1-0'), [Buffer.from('e'), Buffer.from('\r\n')]], []],
      1,
    ]);
  }
});

t.test('a request to Redis says how long each argument is, in bytes', async (t) => {
  const bytes = request('XADD', 'ü', 12, Buffer.from([13, 10]));
  t.equal(bytes.toString(), '*4\r\n$4\r\nXADD\r\n$2\r\nü\r\n$2\r\n12\r\n$2\r\n\r\n\r\n');
});

t.test('what a NATS server sends is the same however it is cut', async (t) => {
  const headers = 'NATS/1.0 100 FlowControl Request\r\nName: value\r\n\r\n';
  const input = Buffer.from(
    'INFO {"port":1}\r\nPING\r\nMSG log 7 4\r\na\r\nb\r\nMSG inbox.1 0 reply 0\r\n\r\n' +
      `HMSG log 7 reply ${headers.length} ${headers.length + 1}\r\n${headers}x\r\n` +
      "+OK\r\n-ERR 'Slow Consumer'\r\n",
  );
  for (const parts of cuts(input)) {
    const messages: NatsMessage[] = [];
    const parser = new NatsParser((message) => messages.push(message));
    for (const part of parts) parser.push(part);
    const message = { type: 'message', subject: 'log', subscription: 7, status: '' };
    t.same(messages, [
      { type: 'ping' },
      { ...message, replyTo: undefined, payload: Buffer.from('a\r\nb') },
      {
        ...message,
        subject: 'inbox.1',
        subscription: 0,
        replyTo: 'reply',
        payload: Buffer.alloc(0),
      },
      {
        ...message,
        replyTo: 'reply',
        status: 'NATS/1.0 100 FlowControl Request',
        payload: Buffer.from('x'),
      },
      { type: 'error', reason: "'Slow Consumer'" },
    ]);
  }
});

t.test('messages of etcd are read field by field, others are passed over', async (t) => {
  const key = Buffer.from('k');
  // Revisions in between, as etcd sends them: create_revision (2) and version (4).
  const keyValue = Buffer.from([10, 1, 107, 16, 5, 32, 1, 42, 2, 118, 119]);
  const put = { key, value: Buffer.from('vw') };
  const field = (number: number, bytes: Buffer) =>
    Buffer.concat([Buffer.from([(number << 3) | 2, bytes.length]), bytes]);
  const header = field(1, Buffer.from([16, 9]));

  t.same(encodePut({ key, value: Buffer.from('vw') }), Buffer.from('0a016b12027677', 'hex'));
  t.same(decodeRange(Buffer.concat([header, field(2, keyValue), field(2, keyValue)])), [put, put]);
  t.same(decodeRange(header), []);
  t.same(decodeWatched(Buffer.concat([header, Buffer.from([24, 1])])), {
    isCreated: true,
    puts: [],
  });
  const event = field(2, keyValue);
  t.same(decodeWatched(Buffer.concat([header, field(11, event)])), {
    isCreated: false,
    puts: [put],
  });
  t.ok(isStatusOfLeader(Buffer.concat([header, Buffer.from([32, 9, 40, 3])])));
  t.notOk(isStatusOfLeader(Buffer.concat([header, Buffer.from([32, 3, 40, 9])])));
  t.notOk(isStatusOfLeader(header), 'nobody leads');
});
