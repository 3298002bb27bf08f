import t from 'tap';
import type { Test } from 'tap';
import { draw } from '../../server/raft/random.js';
import { Raft } from '../../server/raft/raft.js';
import type { DiskImage } from './disk.js';
import { Network } from './network.js';
import type { Node } from './network.js';

const seeds = 200;
const actions = 5000;

/** What may happen next, and how often in relation to the rest. */
const weights = {
  deliver: 150,
  carryOut: 250,
  sync: 60,
  answer: 60,
  tick: 40,
  propose: 30,
  lose: 2,
  repeat: 4,
  cut: 1,
  isolate: 2,
  join: 8,
  crash: 1,
  restart: 4,
  wipe: 1,
  copy: 1,
  putBack: 2,
  readIndex: 4,
  transfer: 1,
  clone: 1,
};
type Action = keyof typeof weights;
const deck = Object.entries(weights).flatMap(([action, weight]) =>
  Array.from({ length: weight }, () => action as Action),
);

class Chaos {
  readonly network: Network;
  #seed: number;
  #reads = 0;
  /** Where disks are lost others wait for them, and less of the rest happens. */
  readonly #loses: boolean;
  readonly #copies = new Map<Node, DiskImage>();

  constructor(seed: number, voters: readonly string[], learners: readonly string[]) {
    this.#seed = seed;
    this.#loses = seed % 2 === 0;
    // Small limits, so that everything that can be full is full now and then.
    const core = { inflightMessagesMax: 3, inflightBytesMax: 120, recentMarksMax: 4 };
    this.network = new Network({ voters, learners, seed, core });
    this.network.prompt = false;
  }

  /** Does one thing to a node, if it can be done. */
  act(): void {
    const { network } = this;
    const node = this.#pick(network.all);
    const action = this.#pick(deck);
    if (action === 'lose' || action === 'repeat' || action === 'deliver') return this.#wire(action);
    if (action === 'restart') {
      const { end } = node.disk.durable.at(-1) ?? { end: 0 };
      const noted = Math.min(node.commitOffset, end);
      if (!node.running) network.restart(node.id, this.#below(2) === 0 ? 0 : noted);
      return;
    }
    if (action === 'copy') this.#copies.set(node, node.disk.image());
    if (this.#loses && this.#mayLose(node)) {
      if (action === 'wipe' && this.#below(4) === 0) network.wipe(node.id);
      if (action === 'putBack') this.#putBack(node);
    }
    if (node.running) this.#on(node, action);
  }

  /** Everything works from here on; time passes for all alike. */
  recover(): void {
    const { network } = this;
    for (const node of network.all) if (!node.running) network.restart(node.id);
    network.prompt = true;
    for (const node of network.all) network.work(node);
    network.heal();
    network.pass(100);
  }

  /** A majority of the voters keeps its promises, so that what one has lost can be made good. */
  #mayLose(node: Node): boolean {
    const { voters } = this.network.optionsOf(node.id).configuration;
    if (!voters.includes(node.id)) return true;
    const losers = voters.filter(
      (id) => id === node.id || this.network.node(id).disk.lost !== null,
    );
    return 2 * losers.length < voters.length;
  }

  /** Where somebody can tell at once that the copy is older than what the node has promised. */
  #putBack(node: Node): void {
    const { network } = this;
    const copy = this.#copies.get(node);
    if (copy === undefined || copy.incarnation !== node.disk.incarnation) return;
    const witness = network.all.find(
      (other) => network.areJoined(other.id, node.id) && remembersMore(other, node.id, copy),
    );
    if (witness === undefined) return;
    network.putBack(node.id, copy);
    network.restart(node.id);
    while (network.carryOut(witness)) continue;
    const told = network.wire.findLast(
      ({ to, message }) => to === node.id && message.type === 'forgotten',
    );
    if (told === undefined) throw new Error(`${witness.id} does not tell ${node.id}`);
    network.deliver(told);
    if (node.core.admitted) throw new Error(`${node.id} goes on as before`);
  }

  #wire(action: 'lose' | 'repeat' | 'deliver'): void {
    const { network } = this;
    if (network.wire.length === 0) return;
    // Mostly in order, as on a connection; sometimes not.
    const index = this.#below(4) > 0 ? 0 : this.#below(network.wire.length);
    const parcel = action === 'repeat' ? network.wire[index] : network.wire.splice(index, 1)[0];
    if (parcel !== undefined && action !== 'lose') network.deliver(parcel);
  }

  #on(node: Node, action: Action): void {
    const { network } = this;
    const { id, core } = node;
    const other = this.#pick(network.all.filter((candidate) => candidate !== node));
    if (action === 'carryOut') network.carryOut(node);
    if (action === 'tick') network.tick(id);
    if (action === 'cut') network.cut(id, other.id);
    if (action === 'isolate') network.isolate(id);
    if (action === 'join') network.join(id, other.id);
    if (action === 'crash') network.crash(id, this.#below(3));
    if (action === 'clone')
      node.core = Raft.from(network.optionsOf(id), structuredClone(core.state));
    if (action === 'readIndex') network.step(id, { type: 'readIndex', id: (this.#reads += 1) });
    if (action === 'transfer') network.step(id, { type: 'transfer', to: other.id });
    if (action === 'answer') {
      const event = node.inbox.shift();
      if (event !== undefined) network.step(id, event);
    }
    if (action === 'sync') {
      const event = node.disk.sync();
      if (event !== undefined) node.inbox.push(event);
    }
    const mayPropose = core.role === 'leader' && !core.transferring && node.queue.length === 0;
    if (action === 'propose' && mayPropose) {
      const lengths = Array.from({ length: 1 + this.#below(4) }, () => 1 + this.#below(60));
      network.propose(id, lengths);
    }
  }

  #below(bound: number): number {
    const { value, seed } = draw(this.#seed, bound);
    this.#seed = seed;
    return value;
  }

  #pick<T>(items: readonly T[]): T {
    const item = items[this.#below(items.length)];
    if (item === undefined) throw new Error('nothing to pick from');
    return item;
  }
}

/** Whether a node knows that another's directory was further once than `copy` is. */
function remembersMore({ core, running }: Node, id: string, copy: DiskImage): boolean {
  const link = core.state.links.find(({ peer }) => peer === id);
  if (!running || !core.admitted || link?.incarnation !== copy.incarnation) return false;
  if (copy.term < link.term) return true;
  const matchOffset = core.progress(id)?.matchOffset ?? 0;
  return copy.term <= core.term && (copy.durable.at(-1)?.end ?? 0) < matchOffset;
}

/** One leader, and every node with all of its log, all of it committed. */
function checkAgreement(t: Test, network: Network): void {
  const leaders = network.all.filter((node) => node.core.role === 'leader');
  t.equal(leaders.length, 1, 'there is one leader');
  const log = leaders[0]?.log;
  for (const node of network.all) {
    t.strictSame(node.log, log, `${node.id} has the leader's log`);
    t.strictSame(node.disk.durable, log, `${node.id} has it on disk`);
    t.equal(node.core.commitOffset, log?.at(-1)?.end, `${node.id} has committed it`);
    const { terms, admissions } = node.disk.start(0);
    t.strictSame(node.core.terms, terms, `${node.id} knows its terms`);
    t.strictSame(node.core.state.log.admissions, admissions, `${node.id} knows its admissions`);
    t.ok(node.core.admitted, `${node.id} takes part`);
  }
}

for (const [name, voters, learners] of [
  ['three nodes', ['a', 'b', 'c'], []],
  ['five nodes', ['a', 'b', 'c', 'd', 'e'], []],
  ['three nodes and a learner', ['a', 'b', 'c'], ['x']],
  ['one node', ['a'], ['x']],
] as const) {
  t.test(`${name} keep every promise in any weather, and agree when it is over`, async (t) => {
    for (let seed = 1; seed <= seeds; seed += 1) {
      const chaos = new Chaos(seed, voters, learners);
      const { network } = chaos;
      await t.test(`seed ${seed}`, async (t) => {
        for (let count = 0; count < actions; count += 1) chaos.act();
        chaos.recover();
        checkAgreement(t, network);
        const { leader } = network;
        t.ok(leader, 'somebody leads');
        if (leader === undefined) return;
        network.propose(leader.id, [7, 70, 700]);
        network.pass(10);
        checkAgreement(t, network);
      });
    }
  });
}
