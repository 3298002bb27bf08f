/**
 * What a client speaks, from the first bytes of its connection: HTTP/2, which is gRPC here, or
 * HTTP/1, which is a mistake that deserves an answer. Everything else is closed.
 */
import type { Socket } from 'node:net';

const http2Preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');
const http1Methods = [
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'DELETE',
  'CONNECT',
  'OPTIONS',
  'TRACE',
  'PATCH',
];

/** How long a connection may take to say what it is. */
const sniffMsMax = 5_000;
/** How long the answer to an HTTP/1 request may take to get through. */
const answerMsMax = 1_000;

/** Calls `onHttp2` with the socket as it was before its first byte, or ends it. */
export function sniffProtocol(socket: Socket, onHttp2: (socket: Socket) => void): void {
  let seen: Buffer = Buffer.alloc(0);
  const close = () => socket.destroy();
  const timer = setTimeout(close, sniffMsMax);
  socket.on('error', close);
  socket.once('close', () => clearTimeout(timer));
  socket.on('data', function sniff(chunk: Buffer) {
    seen = Buffer.concat([seen, chunk]);
    const protocol = protocolOf(seen);
    if (protocol === 'undecided') return;
    clearTimeout(timer);
    socket.off('data', sniff);
    if (protocol === 'http2') {
      socket.pause();
      socket.unshift(seen);
      onHttp2(socket);
    } else if (protocol === 'http1') {
      answerHttp1(socket);
    } else {
      close();
    }
  });
}

/** Decided after as many bytes as the preface has, at the latest. */
function protocolOf(seen: Buffer): 'http2' | 'http1' | 'other' | 'undecided' {
  const start = seen.subarray(0, http2Preface.length);
  if (http2Preface.subarray(0, start.length).equals(start)) {
    return start.length === http2Preface.length ? 'http2' : 'undecided';
  }
  const text = start.toString('latin1');
  if (http1Methods.some((method) => text.startsWith(`${method} `))) return 'http1';
  return http1Methods.some((method) => `${method} `.startsWith(text)) ? 'undecided' : 'other';
}

function answerHttp1(socket: Socket): void {
  const body = JSON.stringify({
    code: 'NOT_GRPC',
    message: 'this port speaks gRPC over HTTP/2, and the request came over HTTP/1',
    hint: 'use a LogLog client, or any gRPC client with loglog.proto; a proxy in between must forward HTTP/2',
  });
  socket.end(
    'HTTP/1.1 400 Bad Request\r\n' +
      'Content-Type: application/json\r\n' +
      `Content-Length: ${Buffer.byteLength(body)}\r\n` +
      `Connection: close\r\n\r\n${body}`,
  );
  // What else arrives is read and dropped: closing with bytes unread resets the connection, and
  // the answer would be lost.
  socket.resume();
  const timer = setTimeout(() => socket.destroy(), answerMsMax);
  socket.once('close', () => clearTimeout(timer));
}
