import t from 'tap';
import { parseAddresses } from '../../client/arguments.js';
import { Backoff } from '../../client/backoff.js';
import { Cluster } from '../../client/cluster.js';
import { verifyPage } from '../../client/page.js';
import { LogLogError } from '../../proto/errors.js';
import { FakeCluster } from './fake-cluster.js';
import { seededRandom } from './test-clock.js';

t.test('what is known of the leader only becomes newer', async (t) => {
  const cluster = new Cluster(new FakeCluster(3).environment, ['n1:7600']);
  cluster.noteLeader({ term: 5, leader: { id: 'n1' } });
  cluster.noteLeader({ term: 5 });
  t.strictSame(cluster.leader, { id: 'n1', term: 5 });
  cluster.noteLeader({ term: 4, leader: { id: 'n2' } });
  t.strictSame(cluster.leader, { id: 'n1', term: 5 });
  cluster.noteLeader({ term: 6 });
  t.strictSame(cluster.leader, { term: 6 });
  cluster.noteLeader({ term: 6, leader: { id: 'n3' } });
  t.strictSame(cluster.leader, { id: 'n3', term: 6 });
  cluster.close(new LogLogError('CLOSED', 'done'));
});

t.test('the wait between tries grows up to its limit, and begins anew', async (t) => {
  const backoff = new Backoff({ ...seededRandom(1), fraction: () => 0.5 }, 100);
  const delays = Array.from({ length: 5 }, () => backoff.next());
  t.strictSame(delays, [10, 20, 40, 50, 50]);
  backoff.reset();
  t.equal(backoff.next(), 10);
});

t.test('addresses come with commas or as an array, each once', async (t) => {
  t.strictSame(parseAddresses('a:1, b:2,a:1'), ['a:1', 'b:2']);
  t.strictSame(parseAddresses(['a:1', '[::1]:65535']), ['a:1', '[::1]:65535']);
  for (const wrong of ['', 'a', 'a:', 'a:0', 'a:65536', ':1', 'a:1x']) {
    t.throws(() => parseAddresses(wrong), { code: 'INVALID_ARGUMENT' }, wrong);
  }
});

t.test('a page that is not what was asked for is not believed', async (t) => {
  const fake = new FakeCluster(1);
  fake.setLeader('n1');
  const empty = Buffer.alloc(0);
  const [one = empty, two = empty] = fake.log.batches.map(({ headerBytes }) => headerBytes);
  const page = (offset: number, next: number, ...batches: Buffer[]) => ({
    offset,
    next,
    commitOffset: next,
    batches: Buffer.concat(batches),
  });
  t.equal(verifyPage(page(0, 192, one, two), 0).length, 2);
  t.equal(verifyPage(page(96, 96), 96).length, 0);
  const corrupt = { code: 'DATA_CORRUPT' };
  t.throws(() => verifyPage(page(0, 96, one), 96), corrupt, 'ends before the offset');
  t.throws(() => verifyPage(page(96, 192, two), 95), corrupt, 'begins behind the offset');
  t.throws(() => verifyPage(page(0, 192, two, one), 0), corrupt, 'batches in another order');
  t.throws(() => verifyPage(page(0, 200, one, two), 0), corrupt, 'a wrong next');
  t.throws(() => verifyPage(page(0, 100, one, two.subarray(0, 4)), 0), corrupt, 'cut short');
});
