/**
 * One producer: its batches leave for every node at once and are ordered by the leader, each of
 * them exactly once and in order, whoever leads and whatever breaks (docs/ARCHITECTURE.md,
 * "One append, from end to end"). What is not acknowledged is sent again, under the same epoch and sequence.
 */
import type { Timer } from '../proto/clock.js';
import type { LogLogError } from '../proto/errors.js';
import { assert } from '../proto/errors.js';
import type { Acknowledgement, UploadFrame } from '../proto/service.js';
import { Backoff, backoffMsMax } from './backoff.js';
import type { Cluster } from './cluster.js';
import type { Deferred } from './deferred.js';
import { deferred } from './deferred.js';
import { pollBackoffMsMax } from './cluster.js';
import type { IntakeLimits } from './intake.js';
import { Intake } from './intake.js';
import { OutgoingBatch } from './outgoing-batch.js';
import { asLogLogError, mayPass } from './retry.js';
import { Scope } from './scope.js';
import type { Submission } from './submission.js';
import type { LinkHandlers, LinkReply } from './upload-link.js';
import { UploadLink } from './upload-link.js';

/** Batches on their way; fewer than the log remembers of a producer (producerBatchesMax). */
export const batchesInFlightMax = 8;

/**
 * A smaller body goes to the leader alone, which passes it on inline: next to the reference that it
 * sends in any case, the bytes cost less than one more message from here to every node.
 */
export const uploadedBodyBytesMinDefault = 16 * 1024;

/**
 * While nothing else is on its way, a body of so many times as much goes to the leader in front of
 * the others, and is ordered while they get it (docs/BENCHMARKS.md).
 */
export const leaderFirstTimes = 4;

/** A leader that falls silent while it owes answers may be none any more: who else says so? */
const lookoutMs = 2000;

/** Gaps that the leader may see where there are none, before something is known to be wrong. */
const gapRefusalsMax = 8;

/** A batch that has been given its place in the producer's order. */
interface Flight {
  readonly batch: OutgoingBatch;
  readonly frame: UploadFrame;
  /** Bit i: the link to node i took the body. */
  takenBy: number;
  /** How often a leader was asked to order it. */
  orders: number;
  acknowledgement?: Acknowledgement;
}

export class Producer {
  readonly id: string;
  readonly #cluster: Cluster;
  readonly #onFailed: (error: LogLogError) => void;
  readonly #intake: Intake;
  readonly #uploadedBodyBytesMin: number;
  readonly #opening: Scope;
  /** One for each node, by its bit in `uploadedTo`. */
  #links: readonly UploadLink[] = [];
  /** In order of their sequences; the `open` batch is alone in it. */
  readonly #flights: Flight[] = [];
  /** Those before it have been sent to this leader over this stream. */
  #cursor = 0;
  #epoch: number | undefined;
  #nextSequence = 1;
  #lastAcknowledged = 0;
  #gapRefusals = 0;
  #leader: UploadLink | undefined;
  readonly #resendBackoff: Backoff;
  #resend: Timer | undefined;
  readonly #watchBackoff: Backoff;
  #watch: Timer | undefined;
  #pumpIsDue = false;
  #turn: Deferred<void> | undefined;
  #ended: LogLogError | undefined;
  readonly #stopFollowing: () => void;

  /** `onFailed`: nothing becomes of a batch. */
  constructor(cluster: Cluster, limits: IntakeLimits, onFailed: (error: LogLogError) => void) {
    const { clock, random, uploadedBodyBytesMin } = cluster.environment;
    this.id = random.bytes(8).toString('hex');
    this.#uploadedBodyBytesMin = uploadedBodyBytesMin ?? uploadedBodyBytesMinDefault;
    this.#cluster = cluster;
    this.#onFailed = onFailed;
    this.#intake = new Intake(limits, {
      onCollected: (isComplete) => {
        if (isComplete) this.#turn ??= deferred();
        this.#pumpSoon();
      },
      onFailed: (error) => this.#onFailed(error),
      trouble: () => cluster.noLeader(),
    });
    this.#resendBackoff = new Backoff(random, backoffMsMax);
    this.#watchBackoff = new Backoff(random, pollBackoffMsMax);
    this.#opening = new Scope(clock, 'the producer', {});
    this.#stopFollowing = cluster.onChange(() => this.#onClusterChange());
    void this.#connect();
  }

  /** Why it takes nothing any more. */
  get ended(): LogLogError | undefined {
    return this.#ended;
  }

  get bytesInFlight(): number {
    return this.#intake.bytesHeld;
  }

  /**
   * Set while a batch is complete and nothing could leave yet: whoever goes on submitting without
   * waiting for it holds up everything that this thread has to send.
   */
  get turn(): Promise<void> | undefined {
    return this.#turn?.promise;
  }

  /** Resolves when everything submitted by now has been answered or given up. */
  async settled(): Promise<void> {
    const flights = this.#flights.map(({ batch }) => batch.settled());
    await Promise.all([...flights, this.#intake.settled()]);
  }

  /** Aborting the scope gives the entries up. */
  submit(submission: Submission, scope?: Scope): void {
    this.#intake.submit(submission, scope);
  }

  /** What has been sent may still become durable; everything else will not. */
  end(error: LogLogError): void {
    this.#end(error, (flight) => flight.orders > 0);
  }

  async #connect(): Promise<void> {
    try {
      await this.#cluster.ready(this.#opening.signal);
    } catch (error) {
      this.end(asLogLogError(error));
    }
    if (this.#ended !== undefined) return;
    const handlers: LinkHandlers = {
      onUp: (link) => this.#onUp(link),
      onDown: (link) => this.#onDown(link),
      onReply: (link, reply) => this.#onReply(link, reply),
      onClear: () => this.#pump(),
    };
    this.#links = this.#cluster.members.map(
      ({ id }) => new UploadLink(this.#cluster, this.id, id, handlers),
    );
    this.#onClusterChange();
    for (const link of this.#links) link.connect();
    this.#keepWatch();
  }

  #onClusterChange(): void {
    const { broken, leader } = this.#cluster;
    if (broken !== undefined) return this.end(broken);
    const link = this.#links.find(({ nodeId }) => nodeId === leader.id);
    if (link === this.#leader) return;
    this.#leader = link;
    link?.connect();
    this.#sendAllAgain();
  }

  #onUp(link: UploadLink): void {
    if (link === this.#leader) this.#sendAllAgain();
  }

  #onDown(link: UploadLink): void {
    if (link !== this.#leader) return;
    this.#stopWatch();
    this.#keepWatch();
  }

  #onReply(link: UploadLink, reply: LinkReply): void {
    if (reply.type === 'acknowledged') this.#onAcknowledged(reply.acknowledgements);
    else if (reply.type === 'leader') this.#cluster.noteLeader(reply.change);
    else if (reply.type === 'missing') this.#uploadAgain(link, reply.sequences);
    // Whatever another node refuses, the leader decides.
    else if (link === this.#leader) this.#onRefused(reply.epoch, reply.sequence, reply.error);
  }

  #onAcknowledged(acknowledgements: readonly Acknowledgement[]): void {
    for (const acknowledgement of acknowledgements) {
      const flight = this.#flights[this.#find(acknowledgement.epoch, acknowledgement.sequence)];
      if (flight !== undefined) flight.acknowledgement = acknowledgement;
    }
    for (;;) {
      const [first] = this.#flights;
      if (first?.acknowledgement === undefined) break;
      this.#land(0);
      this.#noteProgress();
      if (first.frame.kind === 'open') {
        this.#epoch = first.acknowledgement.offset;
      } else {
        this.#lastAcknowledged = first.frame.sequence;
        first.batch.resolve(first.acknowledgement);
      }
    }
    this.#pumpSoon();
  }

  #onRefused(epoch: number, sequence: number, error: LogLogError): void {
    const index = this.#find(epoch, sequence);
    const flight = this.#flights[index];
    if (flight === undefined) return;
    if (error.code === 'EPOCH_FENCED' || error.code === 'PRODUCER_EXPIRED') {
      // Those before it may have been ordered; those behind it, if sent once, are refused like it.
      return this.#end(error, (other) => {
        const mayBeOrdered = this.#flights.indexOf(other) < index || error.outcome !== 'none';
        return other.orders > (mayBeOrdered ? 0 : 1);
      });
    }
    const isGap = error.code === 'SEQUENCE_GAP';
    if (isGap || (mayPass(error) && error.code !== 'CONDITION_AHEAD')) {
      if (isGap && index === 0) this.#gapRefusals += 1;
      if (this.#gapRefusals > gapRefusalsMax) return this.end(error);
      flight.batch.noteTrouble(error);
      return this.#sendAgainFrom(index);
    }
    // Its sequence is never used again: what follows it follows its predecessor from now on.
    this.#land(index);
    this.#noteProgress();
    flight.batch.reject(error, error.outcome);
    if (flight.frame.kind === 'open') this.end(error);
    else this.#pumpSoon();
  }

  #find(epoch: number, sequence: number): number {
    return this.#flights.findIndex(({ frame }) => {
      const isEpoch = frame.kind === 'open' || frame.epoch === epoch;
      return isEpoch && frame.sequence === sequence;
    });
  }

  /** The batch has come to its end. */
  #land(index: number): void {
    const [flight] = this.#flights.splice(index, 1);
    assert(flight !== undefined, 'only what is in flight lands');
    if (index < this.#cursor) this.#cursor -= 1;
    this.#intake.release(flight.batch.bytes);
  }

  #noteProgress(): void {
    this.#gapRefusals = 0;
    this.#resendBackoff.reset();
    this.#watchBackoff.reset();
  }

  #sendAllAgain(): void {
    this.#stopWatch();
    this.#cursor = 0;
    this.#resend?.cancel();
    this.#resend = undefined;
    this.#pump();
  }

  #sendAgainFrom(index: number): void {
    this.#cursor = Math.min(this.#cursor, index);
    this.#cluster.refresh();
    this.#resend ??= this.#cluster.environment.clock.after(this.#resendBackoff.next(), () => {
      this.#resend = undefined;
      this.#pump();
    });
  }

  /** Lets everything that is written in the same turn share a batch. */
  #pumpSoon(): void {
    if (this.#pumpIsDue) return;
    this.#pumpIsDue = true;
    this.#cluster.environment.clock.soon(() => {
      this.#pumpIsDue = false;
      this.#pump();
      this.#turn?.resolve();
      this.#turn = undefined;
    });
  }

  /** Sends what may be sent. */
  #pump(): void {
    while (this.#leader?.isClear === true && this.#resend === undefined) {
      const flight = this.#flights[this.#cursor];
      if (flight !== undefined) this.#order(flight, this.#leader);
      else if (!this.#beginFlight(this.#leader)) break;
    }
    this.#keepWatch();
  }

  /**
   * Gives the next batch its sequence and sends its body, unless it is small, to all but the leader.
   * The leader is asked for it behind that, in its turn, or in front of it.
   */
  #beginFlight(leader: UploadLink): boolean {
    if (this.#epoch === undefined) return this.#beginOpening();
    if (this.#flights.length >= batchesInFlightMax) return false;
    const batch = this.#intake.next(this.#flights.length === 0);
    if (batch === undefined) return false;
    const frame = batch.seal(this.#epoch, this.#nextSequence);
    this.#nextSequence += 1;
    const flight = this.#addFlight(frame, batch);
    batch.noteSent();
    const bodyBytes = frame.body.length;
    if (bodyBytes < this.#uploadedBodyBytesMin) return true;
    const takers = this.#links.filter((link) => link !== leader && link.takes(frame));
    for (const link of takers) flight.takenBy |= this.#bitOf(link);
    const isLong = bodyBytes >= leaderFirstTimes * this.#uploadedBodyBytesMin;
    if (isLong && this.#flights.length === 1) this.#order(flight, leader);
    for (const link of takers) link.offer(frame);
    return true;
  }

  #beginOpening(): boolean {
    if (this.#flights.length > 0 || this.#intake.isEmpty) return false;
    const batch = new OutgoingBatch(0, 0, this.#onFailed);
    // Names this try to open, so that sending it again does not open twice.
    const token = this.#cluster.environment.random.bytes(6).readUIntBE(0, 6) || 1;
    this.#addFlight({ ...batch.seal(0, token), kind: 'open' }, batch);
    return true;
  }

  #addFlight(frame: UploadFrame, batch: OutgoingBatch): Flight {
    const flight: Flight = { batch, frame, takenBy: 0, orders: 0 };
    this.#flights.push(flight);
    return flight;
  }

  /** Asks the leader for the flight at the cursor. */
  #order(flight: Flight, leader: UploadLink): void {
    const previous = this.#flights[this.#cursor - 1];
    this.#cursor += 1;
    if (flight.acknowledgement !== undefined) return;
    const isOpening = flight.frame.kind === 'open';
    const follows = isOpening ? 0 : (previous?.frame.sequence ?? this.#lastAcknowledged);
    const bit = this.#bitOf(leader);
    const uploadedTo = flight.takenBy & ~bit;
    flight.takenBy |= bit;
    flight.orders += 1;
    leader.offer({
      ...flight.frame,
      append: { follows, uploadedTo, ...flight.batch.conditions() },
    });
  }

  #bitOf(link: UploadLink): number {
    return 1 << this.#links.indexOf(link);
  }

  #uploadAgain(link: UploadLink, sequences: readonly number[]): void {
    for (const { frame } of this.#flights) {
      if (frame.kind !== 'open' && sequences.includes(frame.sequence)) link.offer(frame);
    }
  }

  get #isIdle(): boolean {
    return this.#flights.length === 0 && this.#intake.isEmpty;
  }

  /** While anything waits: looks for the leader, and now and then whether there is a newer one. */
  #keepWatch(): void {
    if (this.#isIdle || this.#watch !== undefined || this.#ended !== undefined) return;
    const delayMs = this.#leader?.isUp === true ? lookoutMs : this.#watchBackoff.next();
    this.#watch = this.#cluster.environment.clock.after(delayMs, () => {
      this.#watch = undefined;
      if (!this.#isIdle) this.#cluster.refresh();
      this.#keepWatch();
    });
  }

  #stopWatch(): void {
    this.#watch?.cancel();
    this.#watch = undefined;
  }

  #end(error: LogLogError, mayBeCommitted: (flight: Flight) => boolean): void {
    if (this.#ended !== undefined) return;
    this.#ended = error;
    const outcomes = this.#flights.map((flight) => (mayBeCommitted(flight) ? 'unknown' : 'none'));
    for (const [index, { batch }] of this.#flights.splice(0).entries()) {
      batch.reject(error, outcomes[index] ?? 'unknown');
    }
    this.#intake.end(error);
    this.#opening.abort(error);
    this.#stopFollowing();
    this.#resend?.cancel();
    this.#stopWatch();
    for (const link of this.#links) link.close();
  }
}
