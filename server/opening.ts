/**
 * Opens a node's log, whatever its disk did to it. What rot took from within the log comes back
 * from other nodes before this one says anything. Where nobody can tell any more what stood there,
 * nothing is cut before a leader is heard, who has all that is committed; then this node gives up
 * what it promised and comes back as another incarnation of itself.
 */
import type { Clock } from '../proto/clock.js';
import { LogLogError } from '../proto/errors.js';
import type { RepairCounters } from '../proto/service.js';
import type { Directory } from './directory.js';
import type { Links } from './links.js';
import { cutTail } from './log/cut-tail.js';
import type { Disk } from './log/disk.js';
import { mendRot } from './log/mend.js';
import type { Doubt } from './log/proof.js';
import { Rot } from './log/rot.js';
import type { NodeSettings } from './options.js';
import type { PeerMessage } from './peers.js';
import type { NodeId } from './raft/types.js';
import type { Repairs } from './repairs.js';
import { reportMended } from './repairs.js';
import type { StoreHandlers } from './store.js';
import { Store } from './store.js';

/** From one try to make the log whole to the next. */
const retryMs = 500;

/** Whoever says one of these leads, whatever it thinks of this node's incarnation. */
const fromLeaders: ReadonlySet<PeerMessage['type']> = new Set([
  'heartbeat',
  'append',
  'commit',
  'welcome',
]);

export interface OpeningParts {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly settings: NodeSettings;
  readonly directory: Directory;
  readonly links: Links;
  readonly repairs: Repairs;
  readonly handlers: StoreHandlers;
}

export interface OpenedStore {
  readonly store: Store;
  /** What other nodes gave back for that. */
  readonly repaired: RepairCounters;
}

/** Throws DATA_CORRUPT where there is nobody to ask, FORMAT_UNKNOWN, DISK_FAILED. */
export function openStore(parts: OpeningParts): Promise<OpenedStore> {
  return new Opening(parts).run();
}

class Opening {
  readonly #parts: OpeningParts;
  #isListening = false;
  /** Since the last try. */
  #leaderIsHeard = false;
  /** Which incarnation another node has called forgotten. */
  #forgotten: number | null = null;
  #repaired: RepairCounters = { ranges: 0, bytes: 0 };

  constructor(parts: OpeningParts) {
    this.#parts = parts;
  }

  async run(): Promise<OpenedStore> {
    for (;;) {
      const found = await this.#open();
      if (found instanceof Store) return { store: found, repaired: this.#repaired };
      const { settings } = this.#parts;
      if (settings.members.length === 1) throw found;
      const { message: reason } = found;
      settings.logger.warn(
        { reason },
        'the log has rotted: takes no part before it is whole again',
      );
      this.#listen();
      while (!(await this.#makeWhole(found))) await this.#pause();
    }
  }

  async #open(): Promise<Store | Rot> {
    const { disk, clock, settings, repairs, handlers } = this.#parts;
    try {
      return await Store.open(
        { disk, clock, donor: repairs },
        settings.directory,
        this.#options(),
        handlers,
      );
    } catch (error) {
      if (error instanceof Rot) return error;
      throw error;
    }
  }

  /** Whether there is something to be opened again for. */
  async #makeWhole(rot: Rot): Promise<boolean> {
    const { disk, settings, repairs, directory } = this.#parts;
    if (rot.kind === 'within') {
      const known = await Store.place(disk, settings.directory, this.#options());
      const { identity } = directory;
      const path = settings.directory;
      const mended = await mendRot(disk, path, identity, repairs, known, rot);
      const { ranges, bytes, unproven } = mended;
      if (ranges > 0) {
        const before = this.#repaired;
        this.#repaired = { ranges: before.ranges + ranges, bytes: before.bytes + bytes };
        reportMended(settings.logger, mended);
        return true;
      }
      if (unproven !== undefined && this.#mayBeCommitted(unproven)) return false;
    }
    if (this.#forgotten === directory.identity.incarnation) await this.#rejoin();
    if (!this.#leaderIsHeard) return false;
    // An incarnation that was not admitted has promised nothing, and can lose nothing.
    if (directory.admitted) await this.#rejoin();
    settings.logger.warn(
      { offset: rot.offset },
      'cuts its log where nobody can tell what stood there',
    );
    await cutTail(disk, settings.directory, directory.identity.clusterId, rot.offset);
    return true;
  }

  /** Whether a majority may have had it: this node, those who do not say, those who lost it too. */
  #mayBeCommitted({ unanswered, lostElsewhere }: Doubt): boolean {
    return 2 * (1 + unanswered + lostElsewhere) > this.#parts.settings.members.length;
  }

  async #rejoin(): Promise<void> {
    const { directory, links, settings } = this.#parts;
    const incarnation = await directory.renew();
    settings.logger.warn({ incarnation }, 'rejoins the cluster as a new incarnation');
    links.restart();
  }

  /** From now on this node asks and is asked for what disks have lost, and for nothing else. */
  #listen(): void {
    if (this.#isListening) return;
    this.#isListening = true;
    const { directory, links, repairs } = this.#parts;
    links.listen({
      onMessage: (from, _incarnation, message) => this.#received(from, message),
      onLink: (peer, incarnation) => repairs.link(peer, incarnation !== null),
      onGreeting: () => undefined,
      onAddress: () => undefined,
      state: () => directory.greeting(null),
    });
  }

  #received(from: NodeId, message: PeerMessage): void {
    const { repairs, settings } = this.#parts;
    if (fromLeaders.has(message.type)) this.#leaderIsHeard = true;
    if (message.type === 'forgotten') this.#forgotten = message.incarnation;
    if (message.type === 'repairRequest') void repairs.requested(from, message);
    if (message.type !== 'repairReply') return;
    try {
      repairs.replied(from, message);
    } catch (error) {
      if (!(error instanceof LogLogError)) throw error;
      settings.logger.warn({ from, code: error.code }, error.message);
    }
  }

  #pause(): Promise<void> {
    this.#leaderIsHeard = false;
    return new Promise((resolve) => this.#parts.clock.after(retryMs, resolve));
  }

  #options() {
    const { settings, directory } = this.#parts;
    const { clusterId, segmentBytesMax } = directory.identity;
    const { recentBytesMax, checkpointBytesMax } = settings;
    return { clusterId, segmentBytesMax, recentBytesMax, checkpointBytesMax };
  }
}
