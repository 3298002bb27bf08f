/** Nodes in memory that behave like LogLog's, and misbehave when a test asks them to. */
import type { Environment } from '../../client/cluster.js';
import type { Clock } from '../../proto/clock.js';
import { LogLogError } from '../../proto/errors.js';
import type { Transport } from '../../client/transport.js';
import type { NodeStatus, UploadFrame } from '../../proto/service.js';
import { FakeLog } from './fake-log.js';
import { FakeNode } from './fake-node.js';
import { seededRandom, TestClock } from './test-clock.js';

export class FakeCluster {
  readonly clock = new TestClock();
  /** What the nodes live by: the same, or real time. */
  readonly nodeClock: Clock;
  readonly log: FakeLog;
  readonly clusterId: string;
  readonly nodes: readonly FakeNode[];
  /** Every frame that was sent to a node, in order. */
  readonly sent: { readonly nodeId: string; readonly frame: UploadFrame }[] = [];
  leaderId: string | undefined;
  /** Nodes whose addresses no other node knows. */
  readonly unknown = new Set<string>();
  term = 1;

  constructor(nodeCount: number, clusterId = 'c1', nodeClock?: Clock) {
    this.nodeClock = nodeClock ?? this.clock;
    this.clusterId = clusterId;
    this.log = new FakeLog(clusterId);
    this.nodes = Array.from({ length: nodeCount }, (_, i) => new FakeNode(this, `n${i + 1}`));
    this.setLeader('n1');
  }

  get environment(): Environment {
    return { transport: this.transport, clock: this.clock, random: seededRandom(7) };
  }

  get transport(): Transport {
    return {
      open: (address) => {
        const node = this.nodes.find((one) => one.address === address);
        if (node === undefined) throw new Error(`no node at ${address}`);
        return { service: node, close: () => undefined };
      },
    };
  }

  node(id: string): FakeNode {
    const found = this.nodes.find((one) => one.id === id);
    if (found === undefined) throw new Error(`no node ${id}`);
    return found;
  }

  setLeader(id: string | undefined): void {
    this.leaderId = id;
    this.term += 1;
    if (id !== undefined) this.log.addNoop(this.term);
    for (const node of this.nodes) node.tellLeader();
    this.noteCommit();
  }

  noteCommit(): void {
    for (const node of this.nodes) node.feedTails();
  }

  notLeader(): LogLogError {
    const leader = this.leaderId === undefined ? {} : { leader: { id: this.leaderId } };
    return new LogLogError('NOT_LEADER', 'not the leader', leader);
  }

  leaderChange(): NodeStatus['leader'] {
    if (this.leaderId === undefined) return { term: this.term };
    const { id, address } = this.node(this.leaderId);
    return { term: this.term, leader: { id, address } };
  }
}
