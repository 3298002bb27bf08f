/** One client of the workload, with what all of them need. */
import type { Client } from '../../../client/client.js';
import type { Appended } from '../../../client/submission.js';
import type { ErrorCode } from '../../../proto/errors.js';
import { LogLogError } from '../../../proto/errors.js';
import { ProcessClock } from '../../engine/process-clock.js';
import type { Dice } from '../dice.js';
import type { ClientPlan } from '../plan.js';
import type { World } from '../world.js';
import { fingerprintOf, makeEntry } from './entries.js';
import type { OpenAppend, Recorder } from './recorder.js';
import { outcomeOf } from './recorder.js';

export class Actor {
  readonly world: World;
  readonly plan: ClientPlan;
  readonly recorder: Recorder;
  readonly dice: Dice;
  readonly clock: ProcessClock;
  readonly #closing = new AbortController();
  readonly #over: Promise<void>;
  #end: () => void = () => undefined;
  #isOver = false;
  #client: Client | undefined;

  constructor(world: World, plan: ClientPlan, recorder: Recorder) {
    this.world = world;
    this.plan = plan;
    this.recorder = recorder;
    this.dice = world.dice.stream(`client ${plan.name}`);
    this.clock = new ProcessClock(world.cluster.clock, 0);
    this.#over = new Promise((end) => (this.#end = end));
  }

  get name(): string {
    return this.plan.name;
  }

  /** Nothing new is begun any more. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Aborted when everything ends, answered or not. */
  get signal(): AbortSignal {
    return this.#closing.signal;
  }

  /** Made when it is first asked for. */
  get client(): Client {
    this.#client ??= this.world.cluster.client(this.name);
    return this.#client;
  }

  finish(): void {
    this.#isOver = true;
    this.#end();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#client?.close({ timeoutMs: 0 }).catch(() => undefined);
  }

  /** Between two things that it does; shorter when there is nothing more to do. */
  async pause(): Promise<void> {
    const pauseMs = this.dice.exponential(this.plan.pauseMsMean);
    await Promise.race([this.world.cluster.sleep(pauseMs), this.#over]);
  }

  /** An entry that nobody else appends. */
  entry(): Buffer {
    const bytes = Math.ceil(this.dice.fraction() * this.plan.entryBytesMax);
    return makeEntry(this.recorder.name(this.name), bytes);
  }

  /** To be called just before the append; `session` where its order is that of the calls. */
  begin(entries: readonly Buffer[], expect?: number, session = this.name): OpenAppend {
    return this.recorder.append(session, entries.map(fingerprintOf), expect);
  }

  /** The same of an append that may overtake others of this client. */
  beginAlone(entry: Buffer): OpenAppend {
    return this.begin([entry], undefined, this.recorder.name(this.name));
  }

  /**
   * Notes what becomes of an append, and returns the error if it fails. Only those in `expected`
   * are errors that a client of this kind may be told.
   */
  async settle(
    append: OpenAppend,
    told: Promise<Omit<Appended, 'offset'>>,
    expected: readonly ErrorCode[],
  ): Promise<LogLogError | Omit<Appended, 'offset'>> {
    try {
      const { offsets, end } = await told;
      append.end({ type: 'acknowledged', offsets, end });
      return { offsets, end };
    } catch (error) {
      append.end(outcomeOf(error));
      if (!(error instanceof LogLogError)) throw error;
      this.surprise(error, [...expected, 'CLOSED']);
      return error;
    }
  }

  surprise(error: LogLogError, expected: readonly ErrorCode[]): void {
    if (expected.includes(error.code) || !this.world.isDemanding) return;
    if (this.world.supervisor.isExcused(error.code)) return;
    this.world.monitor.report(`${this.name} was told ${error.code}: ${error.message}`);
  }
}
