/**
 * What has to be true after every event, whatever has happened: checked from outside, by what
 * nodes say of themselves, what they send to each other, and what lies on their disks.
 */
import type { Chain } from '../../proto/batch.js';
import { genesisChain } from '../../proto/batch.js';
import type { LogLogService, NodeStatus } from '../../proto/service.js';
import type { PeerMessage } from '../../server/peers.js';
import type { NodeId } from '../../server/raft/types.js';
import type { EngineCluster, TestNode } from '../engine/cluster.js';
import { CommittedLog } from './committed-log.js';
import { DiskLog } from './disk-log.js';
import type { Stored } from './stored-log.js';

const forever = new AbortController().signal;

/** A run with this many has shown enough. */
const violationsMax = 20;

/** What is known of one node. */
interface Watched {
  readonly node: TestNode;
  readonly index: number;
  log: DiskLog;
  /** Of the process that was seen last. */
  service: LogLogService | undefined;
  status: NodeStatus | undefined;
  trust: Trust;
}

/**
 * What its disk may have lost: nothing; single bytes, which the node has to notice; or anything,
 * without a trace.
 */
type Trust = 'whole' | 'rotten' | 'forgetful';

/** Told once the node could answer a read at `offset` with something. */
interface Watch {
  readonly index: number;
  readonly offset: number;
  readonly onReadable: () => void;
}

export class Monitor {
  readonly violations: string[] = [];
  elections = 0;
  leaderIndex = 0;
  readonly #stagingBytesMax: number;
  readonly #watched: readonly Watched[];
  readonly #leaders = new Map<number, NodeId>();
  #leaderTerm = 0;
  /** By term and offset: log matching says that this is one batch, and one log up to there. */
  readonly #batches = new Map<string, Chain>();
  readonly #committed: CommittedLog;
  readonly #watches = new Set<Watch>();
  readonly #onBatch = (batch: Stored) => this.#matchLogs(batch);

  constructor(cluster: EngineCluster, clusterId: string, stagingBytesMax: number) {
    this.#stagingBytesMax = stagingBytesMax;
    this.#committed = new CommittedLog((problem) => this.report(problem));
    this.#watched = cluster.nodes.map((node, index) => ({
      node,
      index,
      log: new DiskLog(genesisChain(clusterId)),
      service: undefined,
      status: undefined,
      trust: 'whole',
    }));
  }

  get committedEnd(): number {
    return this.#committed.end;
  }

  report(violation: string): void {
    if (this.violations.length < violationsMax) this.violations.push(violation);
  }

  /** After an event: looks at the nodes that ran. If none did, a fault may have touched any of them. */
  observe(): void {
    const ran = this.#watched.filter(({ node }) => node.takeHasRun());
    for (const watched of ran.length > 0 ? ran : this.#watched) void this.#observe(watched);
  }

  /** As a message leaves a node, which is when its word is given. */
  onMessage(from: NodeId, message: PeerMessage): void {
    const { type } = message;
    if (type === 'append' || type === 'heartbeat' || type === 'commit') {
      this.#noteLeader(message.term, from);
    }
    if (message.type !== 'appendReply' || message.matchOffset === 0) return;
    const watched = this.#watched.find(({ node }) => node.id === from);
    if (watched === undefined) return;
    const { matchOffset } = message;
    void this.#observe(watched).then(() => {
      if (watched.trust !== 'whole' || watched.log.end >= matchOffset) return;
      this.report(`${from} acknowledges ${matchOffset}, and has ${watched.log.end}`);
    });
  }

  /** What it had on its disk is no longer to be expected there. */
  distrust(node: TestNode, trust: Exclude<Trust, 'whole'>): void {
    const watched = this.#watched.find((each) => each.node === node);
    if (watched !== undefined && watched.trust !== 'forgetful') watched.trust = trust;
  }

  /** Whether it serves all that was committed up to `end`, and its disk holds it. Trusts it then. */
  isWhole(node: TestNode, end: number): boolean {
    const watched = this.#watched.find((each) => each.node === node);
    const status = watched?.status;
    if (watched === undefined || status === undefined || node.reachable !== watched.service) {
      return false;
    }
    const { commitOffset, durableOffset, admitted } = status;
    if (node.failure !== null || !admitted) return false;
    if (Math.min(commitOffset, durableOffset) < end) return false;
    watched.log.cut(0, () => undefined);
    if (watched.log.follow(node.disk, durableOffset, this.#onBatch) !== undefined) return false;
    watched.trust = 'whole';
    return true;
  }

  /** Whether it runs and has everything that is committed. */
  isCaughtUp(node: TestNode): boolean {
    const watched = this.#watched.find((each) => each.node === node);
    const status = watched?.status;
    if (status === undefined || node.reachable !== watched?.service) return false;
    const { commitOffset, durableOffset, admitted } = status;
    return admitted && Math.min(commitOffset, durableOffset) >= this.#committed.end;
  }

  /** How far its disk has been seen to hold the log. */
  diskEnd(node: TestNode): number {
    return this.#watched.find((each) => each.node === node)?.log.end ?? 0;
  }

  /** Calls once, when the node could answer a read at `offset` with something; see `forget`. */
  whenReadable(index: number, offset: number, onReadable: () => void): Watch {
    const watch = { index, offset, onReadable };
    this.#watches.add(watch);
    return watch;
  }

  forget(watch: Watch): void {
    this.#watches.delete(watch);
  }

  /** Takes down what is true at this moment, and looks at it a little later. */
  async #observe(watched: Watched): Promise<void> {
    const { node } = watched;
    const service = node.reachable;
    if (service === undefined || node.failure !== null) return;
    // A node that shuts down says nothing.
    const status = await service.status({}, forever).catch(() => undefined);
    if (status !== undefined) this.#compare(watched, service, status);
  }

  #compare(watched: Watched, service: LogLogService, status: NodeStatus): void {
    const { node } = watched;
    if (service !== watched.service) {
      watched.service = service;
      watched.status = undefined;
    }
    const before = watched.status;
    const isSame =
      before !== undefined &&
      before.term === status.term &&
      before.role === status.role &&
      before.commitOffset === status.commitOffset &&
      before.durableOffset === status.durableOffset;
    watched.status = status;
    this.#checkStaging(node, status);
    if (!isSame) this.#check(watched, status, before);
  }

  #check(watched: Watched, status: NodeStatus, before: NodeStatus | undefined): void {
    const { node } = watched;
    if (before === undefined) this.#checkStart(watched, status);
    if (before !== undefined && status.commitOffset < before.commitOffset) {
      this.report(`${node.id}: the commit offset went back to ${status.commitOffset}`);
    }
    this.#followDisk(watched, status);
    if (status.role === 'leader') this.#checkLeader(watched, status, before);
    if (status.commitOffset !== before?.commitOffset) this.#checkCommit(watched, status);
    this.#wake(watched.index, Math.min(status.commitOffset, status.durableOffset));
  }

  /** A restarted node still has all that it ever said was durable. */
  #checkStart({ node, log, trust }: Watched, status: NodeStatus): void {
    if (trust === 'forgetful' || status.durableOffset >= log.end) return;
    this.report(`${node.id} restarts with ${status.durableOffset}, and had ${log.end}`);
  }

  #followDisk({ node, log, trust }: Watched, { durableOffset }: NodeStatus): void {
    log.cut(durableOffset, (batch) => {
      if (trust === 'whole' && this.#committed.holds(batch)) {
        this.report(`${node.id} cuts off what is committed at ${batch.offset}`);
      }
    });
    const problem = log.follow(node.disk, durableOffset, this.#onBatch);
    if (problem !== undefined && trust === 'whole') {
      this.report(`${node.id} says that ${durableOffset} is durable; ${problem}`);
    }
  }

  #matchLogs({ term, offset, chain }: Stored): void {
    const key = `${term} ${offset}`;
    const known = this.#batches.get(key);
    if (known === undefined) this.#batches.set(key, chain);
    else if (known !== chain) this.report(`two batches at ${offset} in term ${term}`);
  }

  #checkLeader(watched: Watched, status: NodeStatus, before: NodeStatus | undefined): void {
    const { id } = watched.node;
    const isNew = before?.role !== 'leader' || before.term !== status.term;
    if (isNew) this.#noteLeader(status.term, id);
    if (isNew) this.#checkCompleteness(watched, status);
  }

  #noteLeader(term: number, id: NodeId): void {
    const known = this.#leaders.get(term);
    if (known === id) return;
    if (known !== undefined) return this.report(`${known} and ${id} lead in term ${term}`);
    this.#leaders.set(term, id);
    this.elections += 1;
    if (term < this.#leaderTerm) return;
    this.#leaderTerm = term;
    this.leaderIndex = this.#watched.findIndex(({ node }) => node.id === id);
  }

  /** A leader has everything that was committed in earlier terms. */
  #checkCompleteness({ node, log }: Watched, { term, endOffset }: NodeStatus): void {
    const last = this.#committed.lastBeforeTerm(term);
    if (last === undefined) return;
    if (endOffset < last.end) {
      this.report(`${node.id} leads in term ${term} with ${endOffset} of ${last.end} committed`);
    }
    const mine = log.upTo(last.end);
    if (mine !== undefined && !this.#committed.holds(mine)) {
      this.report(`${node.id} leads in term ${term} and differs before ${mine.end}`);
    }
  }

  #checkCommit(watched: Watched, { commitOffset, chain }: NodeStatus): void {
    if (commitOffset === 0) return;
    if (commitOffset > this.#committed.end) this.#extendCommitted(commitOffset, chain);
    // Where each copy has a bad place, no disk can be followed to here before that is repaired.
    if (commitOffset > this.#committed.end) return;
    const known = this.#committed.upTo(commitOffset);
    if (known?.end !== commitOffset || known.chain !== chain) {
      this.report(`${watched.node.id} has another log than others, committed to ${commitOffset}`);
    }
  }

  /** Somebody is the first to say so: then it is on the disks of a quorum by now. */
  #extendCommitted(commitOffset: number, chain: Chain): void {
    const holders = this.#watched.filter(({ log }) => {
      const batch = log.upTo(commitOffset);
      return batch?.end === commitOffset && batch.chain === chain;
    });
    const untrusted = this.#watched.filter(({ trust }) => trust !== 'whole').length;
    if (2 * (holders.length + untrusted) <= this.#watched.length) {
      const ids = holders.map(({ node }) => node.id).join(', ');
      this.report(`${commitOffset} is committed, and on the disks of (${ids}) only`);
    }
    const [holder] = holders;
    if (holder !== undefined) this.#committed.extend(holder.log, commitOffset);
    for (const { status, ...watched } of this.#watched) {
      const isLater = status?.role === 'leader' && status.term > (this.#committed.last?.term ?? 0);
      if (isLater) this.#checkCompleteness({ status, ...watched }, status);
    }
  }

  #checkStaging(node: TestNode, { staged }: NodeStatus): void {
    if (staged.heldBytes <= this.#stagingBytesMax) return;
    this.report(`${node.id} stages ${staged.heldBytes} bytes of ${this.#stagingBytesMax}`);
  }

  #wake(index: number, readable: number): void {
    for (const watch of this.#watches) {
      if (watch.index !== index || watch.offset >= readable) continue;
      this.#watches.delete(watch);
      watch.onReadable();
    }
  }
}
