import fc from 'fast-check';
import t from 'tap';
import { ByteQueue } from '../../cli/byte-queue.js';

t.test('what is taken is what was pushed, in whatever pieces', async () => {
  const bytes = fc.uint8Array({ maxLength: 40 });
  fc.assert(
    fc.property(fc.array(bytes), fc.array(fc.nat(50)), (parts, sizes) => {
      const queue = new ByteQueue();
      for (const part of parts) queue.push(Buffer.from(part));
      const taken = sizes.map((size) => queue.take(Math.min(size, queue.length)));
      taken.push(queue.take(queue.length));
      return queue.length === 0 && Buffer.concat(taken).equals(Buffer.concat(parts));
    }),
  );
});

t.test('no more can be taken than there is', async (t) => {
  const queue = new ByteQueue();
  queue.push(Buffer.from('abc'));
  t.throws(() => queue.take(4), { code: 'INTERNAL' });
  t.equal(queue.take(3).toString(), 'abc');
});
