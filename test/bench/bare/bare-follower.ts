/**
 * Nodes 2 and 3 of the bare pipe: write what the client uploads, in the order of its sequences.
 * What the client could not upload (a producer's opening, or a frame for which it had no room) comes
 * from node 1 and says itself where it belongs.
 */
import type { BatchHeader } from '../../../proto/batch.js';
import { decodeHeader } from '../../../proto/batch.js';
import { assert } from '../../../proto/errors.js';
import type { Members } from '../../../server/members.js';
import type { Item, PeerMessage } from '../../../server/peers.js';
import type { PoolClient, StagedUpload, Staging } from '../../../server/uploads/pool.js';
import { keyOf } from '../../../server/uploads/staged-upload.js';
import type { BareLog } from './bare-log.js';
import { bareTerm } from './bare-log.js';
import type { BarePart } from './bare-part.js';

/** Frames that wait for those before them; node 1 bounds their bytes (lagBytesMax). */
const heldMax = 65_536;

interface Inlined {
  readonly header: BatchHeader;
  readonly body: Buffer;
}

type Next = Pick<BatchHeader, 'producer' | 'epoch' | 'sequence'>;

export interface FollowerHandlers {
  /** To node 1. */
  send(message: PeerMessage): void;
  /** `readableOffset` is another. */
  onSynced(): void;
}

type Pool = BarePart['pool'];

export class BareFollower implements BarePart, Pool {
  readonly pool = this;
  readonly orderer: BarePart['orderer'];
  readonly counters = { matchedBatches: 0, matchedBytes: 0, inlinedBatches: 0, inlinedBytes: 0 };
  readonly #log: BareLog;
  readonly #handlers: FollowerHandlers;
  readonly #uploaded = new Map<string, StagedUpload>();
  /** By offset. */
  readonly #inlined = new Map<number, Inlined>();
  /** What the next upload is; none before a producer has opened. */
  #next: Next | undefined;

  constructor(log: BareLog, members: Members, handlers: FollowerHandlers) {
    this.#log = log;
    this.#handlers = handlers;
    this.orderer = {
      hasRoom: true,
      submit: (append) => append.done({ type: 'refused', error: members.notLeader() }),
      onRoom: () => undefined,
      forget: () => undefined,
    };
  }

  /** What two nodes have is not known here: there is no one to tell. */
  get readableOffset(): number {
    return this.#log.log.durableOffset;
  }

  client(): PoolClient {
    return { stage: (upload) => this.#stage(upload), close: () => undefined };
  }

  synced(): void {
    const matchOffset = this.#log.log.durableOffset;
    this.#handlers.send({ type: 'appendReply', term: bareTerm, matchOffset });
    this.#handlers.onSynced();
  }

  received(_from: string, message: PeerMessage): void {
    assert(message.type === 'bodies', 'node 1 only sends frames');
    for (const item of message.items) this.#hold(item);
    this.#advance();
  }

  #hold(item: Item): void {
    assert(item.type === 'inline', 'node 1 sends no references');
    const decoded = decodeHeader(item.headerBytes);
    assert(decoded.ok, 'node 1 sends whole headers');
    this.#inlined.set(decoded.header.offset, { header: decoded.header, body: item.body });
  }

  #stage(upload: StagedUpload): Staging {
    this.#uploaded.set(keyOf(upload), upload);
    this.#advance();
    assert(this.#uploaded.size <= heldMax, 'a frame has been lost on its way here');
    return 'staged';
  }

  #advance(): void {
    for (;;) {
      const inlined = this.#inlined.get(this.#log.endOffset);
      const upload = this.#next && this.#uploaded.get(keyOf(this.#next));
      if (inlined !== undefined) this.#placeInlined(inlined);
      else if (upload !== undefined) this.#placeUpload(upload);
      else return;
    }
  }

  #placeInlined({ header, body }: Inlined): void {
    this.#inlined.delete(header.offset);
    const batch = this.#log.place(header, body);
    assert(batch.header.chain === header.chain, 'this log is the same as that of node 1');
    this.#follow(header, header.kind === 'open' ? 0 : header.sequence);
    this.counters.inlinedBatches += 1;
    this.counters.inlinedBytes += body.length;
  }

  #placeUpload(upload: StagedUpload): void {
    this.#uploaded.delete(keyOf(upload));
    this.#log.place(upload, upload.body);
    this.#follow(upload, upload.sequence);
    this.counters.matchedBatches += 1;
    this.counters.matchedBytes += upload.body.length;
  }

  #follow({ producer, epoch }: Omit<Next, 'sequence'>, sequence: number): void {
    this.#next = { producer, epoch, sequence: sequence + 1 };
  }
}
