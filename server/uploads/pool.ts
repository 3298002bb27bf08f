/**
 * The staging pool: the bodies that clients have sent to this node, in memory. An *unnamed* body
 * waits for the leader's reference; a *held* one has been matched with its reference and is kept
 * until that is committed, so that it need not travel again if it is truncated.
 *
 * Memory is bounded, per client and in all. An unnamed body goes only by age; held ones make room
 * for it, oldest first, because the log has their bytes. A client that finds no room waits: for
 * its own quota by itself, for room in the pool in turn with the others.
 */
import type { BatchHeader } from '../../proto/batch.js';
import type { Clock } from '../../proto/clock.js';
import { assert, LogLogError } from '../../proto/errors.js';
import { headerBytes } from '../../proto/limits.js';
import type { StagedCounters } from '../../proto/service.js';
import type { StagedUpload } from './staged-upload.js';
import { costOf, fits, isSame, keyOf, stagedOverheadBytes, unpinned } from './staged-upload.js';

export type { StagedUpload } from './staged-upload.js';

const nothing = Buffer.alloc(0);

/** Limits and held bytes count bodies and stagedOverheadBytes for each; the other counters, bodies. */
export interface PoolOptions {
  /** Of everything in the pool. */
  readonly bytesMax: number;
  /** Of one client's unnamed bodies. */
  readonly clientBytesMax: number;
  readonly batchesMax: number;
  readonly clientBatchesMax: number;
  readonly ageMsMax: number;
}

/** Different bodies under one producer, epoch and sequence: two clients may use one id. */
export const candidatesMax = 4;

/**
 * `full`: stop reading and keep this one upload; `onRoom` says when to stage it again. `dropped`:
 * too many different bodies claim to be this batch; it was counted as mismatched. Go on.
 */
export type Staging = 'staged' | 'full' | 'dropped';

/** One upload stream's side of the pool. */
export interface PoolClient {
  /** Throws BATCH_TOO_LARGE if the body would not even fit into an empty pool. */
  stage(upload: StagedUpload): Staging;
  /** What it has staged stays, since references to it may still come. */
  close(): void;
}

export type Match =
  | { readonly type: 'matched'; readonly body: Buffer }
  | { readonly type: 'missing' }
  /** There were bodies for the batch, but not the one that the leader has; they were dropped. */
  | { readonly type: 'mismatched' };

interface Client {
  readonly onRoom: () => void;
  unnamedBatches: number;
  unnamedBytes: number;
  state: 'reading' | 'awaitsQuota' | 'awaitsTurn' | 'called' | 'closed';
  /** Of the upload that found no room last. */
  refusedCost: number;
}

interface Candidate {
  readonly client: Client;
  upload: StagedUpload;
  readonly cost: number;
  stagedMs: number;
  /** Of the batch that it was matched with; null while it is unnamed. */
  offset: number | null;
}

type Tally = 'staged' | 'matched' | 'inlined' | 'missing' | 'mismatched' | 'expired';

export class StagingPool {
  readonly #options: PoolOptions;
  readonly #clock: Clock;
  readonly #candidates = new Map<string, readonly Candidate[]>();
  /** Longest staged first. */
  readonly #unnamed = new Set<Candidate>();
  /** Longest held first. */
  readonly #held = new Set<Candidate>();
  #unnamedBytes = 0;
  #heldBytes = 0;
  /** Clients that wait for room in the pool; only the first may take it. */
  readonly #turns = new Set<Client>();
  /** Clients whose quota has room again. */
  readonly #relieved = new Set<Client>();
  #calling = false;
  readonly #tallies: Record<Tally, { batches: number; bytes: number }> = {
    staged: { batches: 0, bytes: 0 },
    matched: { batches: 0, bytes: 0 },
    inlined: { batches: 0, bytes: 0 },
    missing: { batches: 0, bytes: 0 },
    mismatched: { batches: 0, bytes: 0 },
    expired: { batches: 0, bytes: 0 },
  };

  constructor(options: PoolOptions, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
  }

  /** `onRoom` is called once after each `full`, in a turn of its own. */
  client(onRoom: () => void): PoolClient {
    const client: Client = {
      onRoom,
      unnamedBatches: 0,
      unnamedBytes: 0,
      state: 'reading',
      refusedCost: 0,
    };
    return {
      stage: (upload) => this.#stage(client, upload),
      close: () => {
        client.state = 'closed';
        this.#relieved.delete(client);
        this.#leaveTurns(client);
      },
    };
  }

  /** Finds the body of a reference; `matches` compares the digest. */
  match(header: BatchHeader, matches: (body: Buffer) => boolean): Match {
    const candidates = this.#candidates.get(keyOf(header)) ?? [];
    if (candidates.length === 0) return { type: 'missing' };
    const found = candidates.find(({ upload }) => fits(upload, header) && matches(upload.body));
    if (found === undefined) {
      for (const candidate of candidates) {
        this.#count('mismatched', candidate.upload.body.length);
        this.#drop(candidate);
      }
      return { type: 'mismatched' };
    }
    this.#leave(found);
    this.#enter(found, header.offset);
    this.#count('matched', found.upload.body.length);
    return { type: 'matched', body: found.upload.body };
  }

  /** The batch came whole from another node: what waits for its reference waits in vain. */
  superseded(header: BatchHeader): void {
    for (const candidate of this.#candidates.get(keyOf(header)) ?? []) {
      if (candidate.offset === null) this.#drop(candidate);
    }
  }

  /** Lets go of the held bodies whose batches end at or before `offset`. */
  committed(offset: number): void {
    for (const candidate of this.#held) {
      if (heldEnd(candidate) > offset) break;
      this.#drop(candidate);
    }
  }

  /** The batches from `offset` on are no longer in the log: their bodies are unnamed again. */
  truncated(offset: number): void {
    for (const candidate of this.#held) {
      if (heldEnd(candidate) <= offset) continue;
      this.#leave(candidate);
      this.#enter(candidate, null);
    }
  }

  /** Drops what has waited too long for its reference. To be called each second or so. */
  expire(): void {
    const oldestMs = this.#clock.monotonicMs() - this.#options.ageMsMax;
    for (const candidate of this.#unnamed) {
      if (candidate.stagedMs >= oldestMs) break;
      this.#count('expired', candidate.upload.body.length);
      this.#drop(candidate);
    }
  }

  /** A reference came, and its body did not in time. */
  countMissing(bodyBytes: number): void {
    this.#count('missing', bodyBytes);
  }

  /** A body came from another node. */
  countInlined(bodyBytes: number): void {
    this.#count('inlined', bodyBytes);
  }

  get counters(): StagedCounters {
    const { staged, matched, inlined, missing, mismatched, expired } = this.#tallies;
    return {
      stagedBatches: staged.batches,
      stagedBytes: staged.bytes,
      matchedBatches: matched.batches,
      matchedBytes: matched.bytes,
      inlinedBatches: inlined.batches,
      inlinedBytes: inlined.bytes,
      missing: missing.batches,
      missingBytes: missing.bytes,
      mismatched: mismatched.batches,
      mismatchedBytes: mismatched.bytes,
      expired: expired.batches,
      expiredBytes: expired.bytes,
      heldBatches: this.#unnamed.size + this.#held.size,
      heldBytes: this.#unnamedBytes + this.#heldBytes,
    };
  }

  #stage(client: Client, upload: StagedUpload): Staging {
    assert(client.state !== 'closed', 'a closed client stages nothing');
    const staging = this.#place(client, upload);
    if (staging !== 'full') {
      client.state = 'reading';
      this.#leaveTurns(client);
    }
    return staging;
  }

  #place(client: Client, upload: StagedUpload): Staging {
    const cost = costOf(upload.body.length);
    this.#checkSize(cost);
    const rivals = this.#candidates.get(keyOf(upload)) ?? [];
    const known = rivals.find((rival) => isSame(rival.upload, upload));
    if (known !== undefined) {
      this.#renew(known);
      return 'staged';
    }
    if (rivals.length >= candidatesMax) {
      this.#count('mismatched', upload.body.length);
      return 'dropped';
    }
    if (!this.#quotaHasRoom(client, cost)) return this.#wait(client, cost, 'awaitsQuota');
    const [head = client] = this.#turns;
    if (head !== client || !this.#hasRoom(cost)) return this.#wait(client, cost, 'awaitsTurn');
    this.#add(client, upload, cost);
    return 'staged';
  }

  #add(client: Client, upload: StagedUpload, cost: number): void {
    this.#makeRoom(cost);
    const candidate: Candidate = {
      client,
      upload: { ...upload, body: unpinned(upload.body) },
      cost,
      stagedMs: 0,
      offset: null,
    };
    const key = keyOf(upload);
    this.#candidates.set(key, [...(this.#candidates.get(key) ?? []), candidate]);
    this.#enter(candidate, null);
    this.#count('staged', upload.body.length);
  }

  /** The same body came again: if it waits for its reference, it may wait longer. */
  #renew(candidate: Candidate): void {
    if (candidate.offset !== null) return;
    this.#leave(candidate);
    this.#enter(candidate, null);
  }

  /** Makes a candidate unnamed, or held for the batch at `offset`. */
  #enter(candidate: Candidate, offset: number | null): void {
    const { client, cost } = candidate;
    candidate.offset = offset;
    if (offset !== null) {
      this.#held.add(candidate);
      this.#heldBytes += cost;
      return;
    }
    candidate.stagedMs = this.#clock.monotonicMs();
    this.#unnamed.add(candidate);
    this.#unnamedBytes += cost;
    client.unnamedBatches += 1;
    client.unnamedBytes += cost;
  }

  #leave(candidate: Candidate): void {
    const { client, cost } = candidate;
    if (this.#held.delete(candidate)) {
      this.#heldBytes -= cost;
      return;
    }
    this.#unnamed.delete(candidate);
    this.#unnamedBytes -= cost;
    client.unnamedBatches -= 1;
    client.unnamedBytes -= cost;
    if (client.state === 'awaitsQuota') this.#relieved.add(client);
    this.#callSoon();
  }

  #drop(candidate: Candidate): void {
    this.#leave(candidate);
    const key = keyOf(candidate.upload);
    const rest = (this.#candidates.get(key) ?? []).filter((other) => other !== candidate);
    if (rest.length === 0) this.#candidates.delete(key);
    else this.#candidates.set(key, rest);
    // A Map or Set that makes itself a new table leaves what was in the old one to V8, which may
    // take all tables since then for reachable until it marks the whole heap.
    candidate.upload = { ...candidate.upload, body: nothing };
  }

  #checkSize(cost: number): void {
    const limit = Math.min(this.#options.bytesMax, this.#options.clientBytesMax);
    if (cost <= limit) return;
    const reason = `a body of ${cost - stagedOverheadBytes} bytes does not fit into a staging pool`;
    throw new LogLogError('BATCH_TOO_LARGE', reason, { limit: limit - stagedOverheadBytes });
  }

  #quotaHasRoom(client: Client, cost: number): boolean {
    return (
      client.unnamedBatches < this.#options.clientBatchesMax &&
      client.unnamedBytes + cost <= this.#options.clientBytesMax
    );
  }

  /** There would be room if nothing were held. */
  #hasRoom(cost: number): boolean {
    return (
      this.#unnamed.size < this.#options.batchesMax &&
      this.#unnamedBytes + cost <= this.#options.bytesMax
    );
  }

  #makeRoom(cost: number): void {
    const { bytesMax, batchesMax } = this.#options;
    for (const candidate of this.#held) {
      const bytes = this.#unnamedBytes + this.#heldBytes + cost;
      if (bytes <= bytesMax && this.#unnamed.size + this.#held.size < batchesMax) break;
      this.#drop(candidate);
    }
  }

  #wait(client: Client, cost: number, state: 'awaitsQuota' | 'awaitsTurn'): 'full' {
    client.state = state;
    client.refusedCost = cost;
    if (state === 'awaitsTurn') this.#turns.add(client);
    else this.#leaveTurns(client);
    return 'full';
  }

  #leaveTurns(client: Client): void {
    if (this.#turns.delete(client)) this.#callSoon();
  }

  /** Calls whoever can go on, but not from within the caller's own work. */
  #callSoon(): void {
    if (this.#calling || (this.#relieved.size === 0 && this.#nextTurn() === undefined)) return;
    this.#calling = true;
    this.#clock.soon(() => {
      this.#calling = false;
      this.#call();
    });
  }

  #call(): void {
    for (const client of this.#relieved) {
      this.#relieved.delete(client);
      if (client.state !== 'awaitsQuota') continue;
      if (this.#quotaHasRoom(client, client.refusedCost)) callBack(client);
    }
    for (let next = this.#nextTurn(); next !== undefined; next = this.#nextTurn()) callBack(next);
  }

  /** The first in turn, if there is room for what it has; undefined also while it is being called. */
  #nextTurn(): Client | undefined {
    const [head] = this.#turns;
    if (head?.state !== 'awaitsTurn' || !this.#hasRoom(head.refusedCost)) return undefined;
    return head;
  }

  #count(tally: Tally, bodyBytes: number): void {
    this.#tallies[tally].batches += 1;
    this.#tallies[tally].bytes += bodyBytes;
  }
}

function callBack(client: Client): void {
  client.state = 'called';
  client.onRoom();
}

function heldEnd({ offset, upload }: Candidate): number {
  assert(offset !== null, 'a held body has an offset');
  return offset + headerBytes + upload.body.length;
}
