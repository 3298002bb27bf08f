import t from 'tap';
import type { PeerMessage, PeerTransport } from '../../server/peers.js';
import type { NodeId } from '../../server/raft/types.js';
import { TestClock } from '../client/test-clock.js';
import { seededRandom } from '../log/seeded-random.js';
import { EngineCluster } from './cluster.js';
import { uniform } from './delays.js';
import { bridge, ring, split } from './partitions.js';
import { linkSilenceMsMax, PeerNetwork } from './peer-network.js';
import { ProcessClock } from './process-clock.js';

const ids = ['a', 'b', 'c', 'd', 'e'];
const linkedMs = 50;

/** One process on a PeerNetwork, and what it is told. */
class Peer {
  readonly clock: ProcessClock;
  readonly transport: PeerTransport;
  /** Rounds of the messages that came. */
  readonly received: number[] = [];
  readonly links = new Set<NodeId>();

  constructor(clock: TestClock, network: PeerNetwork, id: NodeId) {
    this.clock = new ProcessClock(clock, 0);
    this.transport = network.transport(id, `to-${id}`, this.clock);
    this.transport.start(
      {
        onMessage: (_from, _incarnation, message) => {
          if (message.type === 'heartbeatReply') this.received.push(message.round);
        },
        onLink: (peer, incarnation) =>
          void (incarnation === null ? this.links.delete(peer) : this.links.add(peer)),
        onGreeting: () => undefined,
        onAddress: () => undefined,
      },
      () => ({ incarnation: 1, process: 1, startTerm: 0, term: 0, durableOffset: 0 }),
    );
  }

  send(to: NodeId, ...rounds: readonly number[]): void {
    for (const round of rounds) this.transport.send(to, reply(round));
  }
}

function reply(round: number): PeerMessage {
  return { type: 'heartbeatReply', term: 1, round };
}

async function linked() {
  const clock = new TestClock();
  const network = new PeerNetwork(clock, seededRandom(1));
  const [a, b, c, d, e] = ids.map((id) => new Peer(clock, network, id));
  if (!a || !b || !c || !d || !e) throw new Error('there are five');
  await clock.pass(linkedMs);
  return { clock, network, a, b, c, peers: [a, b, c, d, e] };
}

const numbers = Array.from({ length: 50 }, (_, i) => i);

t.test('every node is linked to every other, until one leaves', async (t) => {
  const { clock, network, a, peers } = await linked();
  for (const { links } of peers) t.equal(links.size, 4);
  network.leave('b');
  await clock.pass(linkedMs);
  t.notOk(a.links.has('b'));
});

t.test('messages are repeated, and overtake each other only where they may', async (t) => {
  const { clock, network, a, b } = await linked();
  a.send('b', ...numbers);
  await clock.pass(10);
  t.notSame(b.received, numbers);
  t.same(
    b.received.splice(0).toSorted((x, y) => x - y),
    numbers,
  );
  network.reorders = false;
  a.send('b', ...numbers);
  await clock.pass(10);
  t.same(b.received.splice(0), numbers);
  network.repeatRate = 1;
  a.send('b', 1, 2);
  await clock.pass(10);
  t.same(b.received, [1, 1, 2, 2]);
});

t.test('a cut in one direction is silent, and in the end takes both links', async (t) => {
  const { clock, network, a, b } = await linked();
  network.cutOneWay('a', 'b');
  a.send('b', 1);
  b.send('a', 2);
  await clock.pass(linkSilenceMsMax - 100);
  t.same([a.received, b.received], [[2], []]);
  t.ok(a.links.has('b') && b.links.has('a'), 'nobody has noticed');
  await clock.pass(200);
  t.notOk(a.links.has('b') || b.links.has('a'));
  b.send('a', 3);
  network.join('a', 'b');
  await clock.pass(linkedMs);
  t.ok(a.links.has('b') && b.links.has('a'));
  t.same(a.received, [2]);
});

t.test('a cut in one direction that is joined soon costs no link', async (t) => {
  const { clock, network, a, b } = await linked();
  network.cutOneWay('a', 'b');
  await clock.pass(linkSilenceMsMax / 2);
  network.join('a', 'b');
  await clock.pass(linkSilenceMsMax);
  t.ok(a.links.has('b') && b.links.has('a'));
});

t.test('partitions leave the links that they say', async (t) => {
  const { clock, network, peers } = await linked();
  const shapes = [
    { reaches: split(['a', 'b'], ['c', 'd', 'e']), links: ['b', 'a', 'de', 'ce', 'cd'] },
    { reaches: bridge(ids, 'c'), links: ['bc', 'ac', 'abde', 'ce', 'cd'] },
    { reaches: ring(ids), links: ['be', 'ac', 'bd', 'ce', 'ad'] },
    { reaches: () => true, links: ['bcde', 'acde', 'abde', 'abce', 'abcd'] },
  ];
  for (const { reaches, links } of shapes) {
    network.partition(ids, reaches);
    await clock.pass(linkedMs);
    t.same(
      peers.map((peer) => [...peer.links].toSorted().join('')),
      links,
    );
  }
});

t.test('a slow node and a slow link delay what goes through them', async (t) => {
  const { clock, network, a, b, c } = await linked();
  network.slow('b', uniform(100, 100));
  network.setDelay('a', 'c', uniform(500, 500));
  a.send('b', 1);
  a.send('c', 2);
  await clock.pass(90);
  t.same(b.received, []);
  await clock.pass(20);
  t.same([b.received, c.received], [[1], []]);
  await clock.pass(400);
  t.same(c.received, [2]);
});

t.test('a link flaps until all is healed', async (t) => {
  const { clock, network, a } = await linked();
  network.flap('a', 'b', 400);
  const seen = new Set<boolean>();
  for (let i = 0; i < 100; i += 1) {
    await clock.pass(20);
    seen.add(a.links.has('b'));
  }
  t.equal(seen.size, 2);
  network.heal();
  await clock.pass(linkedMs);
  t.ok(a.links.has('b'));
});

t.test(
  'a paused process gets later what it was sent, and loses links if it takes long',
  async (t) => {
    const { clock, network, a, b } = await linked();
    const pause = (durationMs: number) => {
      b.clock.pause(durationMs);
      network.pause('b', durationMs);
    };
    pause(1000);
    a.send('b', 1);
    await clock.pass(900);
    t.same(b.received, []);
    await clock.pass(200);
    t.same(b.received, [1]);
    t.ok(a.links.has('b'));
    pause(linkSilenceMsMax * 2);
    await clock.pass(linkSilenceMsMax + linkedMs);
    t.notOk(a.links.has('b'));
    t.ok(b.links.has('a'), 'it could not be told');
    await clock.pass(linkSilenceMsMax);
    t.ok(a.links.has('b') && b.links.has('a'));
  },
);

for (const lastFrame of ['lost', 'delivered'] as const) {
  t.test(`an upload that breaks in the middle, a frame ${lastFrame}, is done again`, async (t) => {
    const cluster = await EngineCluster.start();
    const { clients, clock } = cluster;
    const client = cluster.client();
    await clock.run(client.append('first'));
    const leader = await cluster.leader();
    clients.breakUpload('client', leader.address, { afterFrames: 1, lastFrame });
    const two = await clock.run(Promise.all([client.append('second'), client.append('third')]));
    const { dataEnd } = await clock.run(client.end());
    t.equal(dataEnd, Math.max(...two.map(({ end }) => end)), 'nothing came twice');
    await clock.run(client.close());
    await cluster.close();
  });
}

t.test('requests get through whose replies are lost', async (t) => {
  const cluster = await EngineCluster.start();
  const { clients, clock, nodes } = cluster;
  const client = cluster.client();
  const { end } = await clock.run(client.append('first'));
  for (const { address } of nodes) clients.cutOneWay('client', address, 'reply');
  await t.rejects(clock.run(client.append('second', { timeoutMs: 3000 })), { code: 'DEADLINE' });
  const other = cluster.client('other');
  t.ok((await clock.run(other.end())).dataEnd > end);
  clients.heal();
  await clock.run(client.append('third'));
  await clock.run(Promise.all([client.close(), other.close()]));
  await cluster.close();
});
