/** A body is verified wherever it comes from: what a node has acknowledged, it has. */
import t from 'tap';
import type { PeerAppend } from '../../server/peers.js';
import { Assembler } from '../../server/assembler.js';
import { Batches } from '../log/log-fixture.js';
import { staging } from '../uploads/staging.js';

function assembler() {
  const { pool, clock } = staging();
  const delivered: number[] = [];
  const made = new Assembler(pool, clock, 20, {
    deliver: (_from, append) => delivered.push(append.marks.length),
    send: () => undefined,
    askProducer: () => undefined,
    recentBatch: () => undefined,
  });
  return { made, delivered };
}

function appendOf(body: Buffer, headerBytes: Buffer): PeerAppend {
  return {
    type: 'append',
    term: 1,
    prevOffset: 0,
    prevTerm: 0,
    commitOffset: 0,
    digestKey: Buffer.alloc(16),
    items: [{ type: 'inline', headerBytes, body }],
  };
}

t.test('a body from a peer that is not what its header says is refused', async (t) => {
  const { headerBytes, body } = new Batches().next(40);
  const { made, delivered } = assembler();
  const other = Buffer.from(body);
  other.writeUInt8(other.readUInt8(body.length - 1) ^ 1, body.length - 1);
  for (const wrong of [other, body.subarray(1), Buffer.concat([body, Buffer.alloc(1)])]) {
    t.throws(() => made.append('n2', appendOf(wrong, headerBytes)), { code: 'INVALID_ARGUMENT' });
  }
  t.same(delivered, [], 'nothing of it goes on');
  made.append('n2', appendOf(body, headerBytes));
  t.same(delivered, [1], 'the right one does');
});
