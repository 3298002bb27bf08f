/**
 * A whole node but for its sockets: everything here takes time, randomness, disk and links from
 * its environment. node.ts gives it the real ones; a simulator can give it others.
 */
import type { Clock, RandomSource, Timer } from '../proto/clock.js';
import type { Batch } from '../proto/batch.js';
import { assert, LogLogError } from '../proto/errors.js';
import type { RepairCounters } from '../proto/service.js';
import { asLogLogError } from './as-loglog-error.js';
import { Assembler } from './assembler.js';
import type { Directory } from './directory.js';
import { readArchive } from './log/archive.js';
import type { Disk } from './log/disk.js';
import { Links } from './links.js';
import { Members } from './members.js';
import type { OpenedStore } from './opening.js';
import { openStore } from './opening.js';
import type { NodeSettings } from './options.js';
import { Orderer } from './orderer.js';
import { Outbox } from './outbox.js';
import type { PeerMessage, PeerTransport } from './peers.js';
import { Raft } from './raft/raft.js';
import type { Message, NodeId } from './raft/types.js';
import { Readers } from './readers.js';
import { Repairs, reportMended } from './repairs.js';
import type { RoleChange } from './replica.js';
import { Replica } from './replica.js';
import { Scrubber } from './scrubber.js';
import { Service } from './service.js';
import type { Store } from './store.js';
import type { PoolOptions } from './uploads/pool.js';
import { StagingPool } from './uploads/pool.js';

export interface Environment {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly transport: PeerTransport;
  readonly version: string;
  readonly processId: number;
  residentBytes(): number;
  cpuMicros(): number;
  peerBytesSent(): number;
}

/** An election timeout in ticks; the leader speaks at least every second tick. */
const electionTicks = 20;
const heartbeatTicks = 2;

/** What goes to a peer in one message, and how many messages are on their way. */
const messageBytesMax = 2 ** 20;
const inflightMessagesMax = 256;
const recentMarksMax = 4096;

/** Staged uploads, of one client and in all; the options bound their bytes. */
const stagedClientBatchesMax = 4096;
const stagedBatchesMax = 65_536;

const expiryIntervalMs = 1000;

/** How long a node that stops waits for another to take the lead. */
const handoverMsMax = 2000;

type CoreAppend = Extract<Message, { type: 'append' }>;

interface Opened extends OpenedStore {
  readonly links: Links;
  readonly repairs: Repairs;
}

export class Engine {
  readonly service: Service;
  /** Resolves when the node had to stop by itself, with the reason. */
  readonly failed: Promise<LogLogError>;
  readonly #settings: NodeSettings;
  readonly #environment: Environment;
  readonly #directory: Directory;
  readonly #links: Links;
  readonly #repairs: Repairs;
  readonly #members: Members;
  readonly #store: Store;
  readonly #pool: StagingPool;
  readonly #outbox: Outbox;
  readonly #assembler: Assembler;
  readonly #replica: Replica;
  readonly #orderer: Orderer;
  readonly #readers: Readers;
  readonly #scrubber: Scrubber;
  /** The incarnation that each peer's newest message was of. */
  readonly #heard = new Map<NodeId, number>();
  #reportFailure: (error: LogLogError) => void = () => undefined;
  #expiry: Timer | null = null;
  #state: 'running' | 'failed' | 'stopped' = 'running';

  /** Reads the log. Throws DATA_CORRUPT, FORMAT_UNKNOWN, DISK_FAILED. */
  static async open(
    settings: NodeSettings,
    directory: Directory,
    environment: Environment,
  ): Promise<Engine> {
    let engine: Engine | null = null;
    // The log begins to fill its last segment while it is being opened, and may fail at that.
    let failure: LogLogError | null = null;
    let stalled: string | null = null;
    const links = new Links(environment.transport);
    const others = settings.members.filter((id) => id !== settings.id);
    const { disk, clock } = environment;
    const repairs = new Repairs(others, clock, links, (offset, bytesMax) =>
      readArchive(disk, settings.directory, offset, bytesMax),
    );
    const opening = openStore({
      ...environment,
      settings,
      directory,
      links,
      repairs,
      handlers: {
        onDurable: (offset, generation) => engine?.durable(offset, generation),
        onFailed: (error) => (engine === null ? (failure = error) : engine.fail(error)),
        onStalled: (reason) => (engine === null ? (stalled = reason) : engine.stalled(reason)),
        onMended: (mended) => reportMended(settings.logger, mended),
      },
    });
    const opened = await opening.catch((error: unknown) => {
      throw asLogLogError(error);
    });
    engine = new Engine(settings, directory, environment, { ...opened, links, repairs });
    if (stalled !== null) engine.stalled(stalled);
    if (failure !== null) engine.fail(failure);
    return engine;
  }

  private constructor(
    settings: NodeSettings,
    directory: Directory,
    environment: Environment,
    { links, repairs, store, repaired }: Opened,
  ) {
    const { clock, random } = environment;
    this.#settings = settings;
    this.#environment = environment;
    this.#directory = directory;
    this.#links = links;
    this.#repairs = repairs;
    this.#store = store;
    this.failed = new Promise((resolve) => (this.#reportFailure = resolve));
    const fail = (error: unknown) => this.fail(error);
    this.#members = new Members(settings.members, settings.id);
    this.#pool = new StagingPool(poolOptions(settings), clock);
    this.#outbox = new Outbox(store.log, settings.members, links, clock, random, fail);
    this.#replica = this.#makeReplica();
    this.#orderer = new Orderer(this.#replica, store, this.#outbox, clock, this.#members);
    this.#assembler = new Assembler(this.#pool, clock, settings.referenceWaitMs, {
      deliver: (from, message, batches) => this.#deliver(from, message, batches),
      send: (to, message) => links.send(to, message),
      askProducer: (producer, sequence) => this.service.askProducer(producer, sequence),
      recentBatch: (offset) => store.log.recentBatch(offset),
    });
    this.#readers = new Readers(store.log, clock, () => this.#replica.readableOffset, fail);
    this.#scrubber = new Scrubber(store.log, clock, settings);
    this.service = this.#makeService(repaired);
  }

  /** Joins the cluster. `clientAddress` is where clients reach this node. */
  start(clientAddress: string): void {
    this.#members.address(this.#settings.id, clientAddress);
    this.#repairs.opened((offset) => this.#store.log.mayHold(offset));
    this.#links.listen({
      onMessage: (from, incarnation, message) => this.#received(from, incarnation, message),
      onLink: (peer, incarnation) => {
        this.#outbox.link(peer, incarnation !== null);
        this.#repairs.link(peer, incarnation !== null);
        this.#replica.step({ type: 'link', peer, incarnation });
      },
      onGreeting: (peer, state) => this.#replica.step({ type: 'greeting', peer, state }),
      onAddress: (peer, address) => {
        if (this.#members.address(peer, address)) this.service.leaderChanged();
      },
      state: () => this.#directory.greeting(this.#store.log.durableOffset),
    });
    this.#replica.start(this.#settings.electionTimeoutMs / electionTicks);
    this.#scrubber.start();
    this.#expireStaged();
  }

  /** Hands leadership over, lets go of everybody, and syncs. */
  async stop(): Promise<void> {
    if (this.#state === 'stopped') return;
    const failed = this.#state === 'failed';
    if (!failed && this.#replica.leading && this.#members.ids.length > 1) {
      const handover = this.#replica.transfer();
      await Promise.race([handover, this.#pause(handoverMsMax)]);
    }
    this.#end(new LogLogError('SHUTTING_DOWN', 'the node is shutting down'));
    this.#state = 'stopped';
    if (failed) await this.#store.log.close();
    else await this.#store.close();
  }

  durable(offset: number, generation: number): void {
    this.#replica.step({ type: 'synced', offset, generation });
    this.#orderer.synced();
    this.#readers.advanced();
  }

  stalled(reason: string | null): void {
    const { logger } = this.#settings;
    if (reason === null) logger.info({}, 'the disk has room again');
    else logger.warn({ reason }, 'read-only until the disk has room');
    this.#orderer.stall(reason);
  }

  /** Nothing can be promised any more: stop, keep every byte, say why. */
  fail(error: unknown): void {
    if (this.#state !== 'running') return;
    this.#state = 'failed';
    const reason = asLogLogError(error);
    this.#settings.logger.error({ code: reason.code, err: error }, `stopped: ${reason.message}`);
    this.#end(new LogLogError('UNAVAILABLE', `the node has stopped: ${reason.message}`));
    this.#reportFailure(reason);
  }

  #makeRaft(): Raft {
    const { tip, committed } = this.#store;
    const { hardState, identity, admitted } = this.#directory;
    const { term, vote } = hardState;
    return new Raft(
      {
        id: this.#settings.id,
        configuration: { voters: this.#members.ids, learners: [] },
        electionTicks,
        heartbeatTicks,
        messageBytesMax,
        inflightMessagesMax,
        inflightBytesMax: this.#settings.peerInflightBytesMax,
        recentMarksMax,
        seed: this.#environment.random.bytes(4).readUInt32LE(0),
      },
      {
        term,
        vote,
        terms: tip.terms,
        endOffset: tip.endOffset,
        endChain: tip.endChain,
        commitOffset: committed.endOffset,
        admissions: tip.admissions,
        incarnation: identity.incarnation,
        admitted,
      },
    );
  }

  #makeReplica(): Replica {
    const { clock } = this.#environment;
    return new Replica({
      raft: this.#makeRaft(),
      store: this.#store,
      hardState: this.#directory.hardState,
      outbox: this.#outbox,
      clock,
      logger: this.#settings.logger,
      handlers: {
        onCommit: (offset) => this.#committed(offset),
        onRole: (change) => this.#roleChanged(change),
        onTruncated: (offset) => this.#pool.truncated(offset),
        beforeEvent: () => this.#orderer.flush(),
        onAdmit: (admission) => this.#orderer.admit(admission),
        rejoin: () => this.#rejoin(),
        onFailed: (error) => this.fail(error),
        send: (to, message) => this.#links.send(to, message),
      },
    });
  }

  #makeService(repairedAtStart: RepairCounters): Service {
    const { version, processId } = this.#environment;
    return new Service({
      incarnation: () => this.#directory.identity.incarnation,
      repairedAtStart,
      id: this.#settings.id,
      clusterId: this.#directory.identity.clusterId,
      version,
      processId,
      residentBytes: () => this.#environment.residentBytes(),
      cpuMicros: () => this.#environment.cpuMicros(),
      peerBytesSent: () => this.#environment.peerBytesSent(),
      members: this.#members,
      store: this.#store,
      replica: this.#replica,
      orderer: this.#orderer,
      pool: this.#pool,
      readers: this.#readers,
      onStaged: (producer) => this.#assembler.staged(producer),
    });
  }

  #received(from: NodeId, incarnation: number, message: PeerMessage): void {
    this.#heard.set(from, incarnation);
    try {
      switch (message.type) {
        case 'append':
          this.#assembler.append(from, message);
          break;
        case 'bodies':
          this.#assembler.bodies(message.items);
          break;
        case 'bodyRequest':
          this.#outbox
            .bodiesFor(from, message.term, message.offsets)
            .catch((error: unknown) => this.fail(error));
          break;
        case 'repairRequest':
          void this.#repairs.requested(from, message);
          break;
        case 'repairReply':
          this.#repairs.replied(from, message);
          break;
        default:
          this.#replica.step({ type: 'message', from, incarnation, message });
      }
    } catch (error) {
      if (error instanceof LogLogError && error.code === 'INVALID_ARGUMENT') {
        this.#settings.logger.warn({ from, code: error.code }, error.message);
      } else {
        this.fail(error);
      }
    }
  }

  #deliver(from: NodeId, message: CoreAppend, batches: readonly Batch[]): void {
    const incarnation = this.#heard.get(from);
    assert(incarnation !== undefined, 'an append comes with a message');
    this.#replica.step({ type: 'message', from, incarnation, message }, batches);
  }

  /** What this node promised is lost, or was promised by another: it begins again as a new one. */
  async #rejoin(): Promise<number> {
    const incarnation = await this.#directory.renew();
    this.#settings.logger.warn({ incarnation }, 'rejoins the cluster as a new incarnation');
    this.#links.restart();
    return incarnation;
  }

  #committed(offset: number): void {
    this.#pool.committed(offset);
    this.#orderer.committed(offset);
    this.#readers.advanced();
  }

  #roleChanged({ role, term, leader }: RoleChange): void {
    // A node that cannot reach the others asks for votes again and again.
    const level = role === 'candidate' ? 'debug' : 'info';
    this.#settings.logger[level]({ role, term, leader }, 'role');
    // First, so that nobody is sent back here.
    const changed = this.#members.leads(leader, term);
    if (role !== 'leader') this.#orderer.deposed();
    if (!changed) return;
    this.service.leaderChanged();
    this.#readers.leaderChanged();
  }

  #expireStaged(): void {
    this.#expiry = this.#environment.clock.after(expiryIntervalMs, () => {
      this.#pool.expire();
      this.#expireStaged();
    });
  }

  #end(error: LogLogError): void {
    this.#expiry?.cancel();
    this.#scrubber.stop();
    this.#repairs.stop();
    this.#replica.stop();
    this.#assembler.stop();
    this.#orderer.stop(error);
    this.#readers.stop(error);
    this.service.stop(error);
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.#environment.clock.after(delayMs, resolve);
    });
  }
}

function poolOptions(settings: NodeSettings): PoolOptions {
  return {
    bytesMax: settings.stagingBytesMax,
    clientBytesMax: settings.stagingClientBytesMax,
    batchesMax: stagedBatchesMax,
    clientBatchesMax: stagedClientBatchesMax,
    ageMsMax: settings.stagedAgeMsMax,
  };
}
