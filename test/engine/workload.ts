/** Clients that append and read in every way there is, and note what they are told. */
import type { Client } from '../../client/client.js';
import type { RandomSource } from '../../proto/clock.js';
import { LogLogError } from '../../proto/errors.js';
import type { EngineCluster } from './cluster.js';
import type { Found, History } from './history.js';

const pauseMsMax = 120;
const entryBytesMax = 2500;

export class Workload {
  readonly reads: Found[] = [];
  /** What clients were told that cannot be. */
  readonly surprises: string[] = [];
  readonly #cluster: EngineCluster;
  readonly #random: RandomSource;
  readonly #history: History;
  readonly #clients: Client[] = [];
  readonly #reading = new AbortController();
  readonly #running: Promise<unknown>;
  #isOver = false;

  constructor(
    cluster: EngineCluster,
    random: RandomSource,
    history: History,
    [first, second, third]: readonly [string, string, string],
  ) {
    this.#cluster = cluster;
    this.#random = random;
    this.#history = history;
    this.#running = Promise.all([
      this.#write(this.#client(first), `${first}w`),
      this.#write(this.#client(second), `${second}w`),
      this.#append(this.#client(second), `${second}a`),
      this.#appendWhereExpected(this.#client(third), `${third}c`),
      this.#askForTheEnd(this.#client(third)),
    ]);
    void this.#read(this.#client(first));
  }

  /** No more is begun; resolves when everything has its answer. */
  async finish(): Promise<void> {
    this.#isOver = true;
    await this.#running;
  }

  async close(): Promise<void> {
    this.#reading.abort();
    await Promise.all(this.#clients.map((client) => client.close()));
  }

  #client(name: string): Client {
    const client = this.#cluster.client(name);
    this.#clients.push(client);
    return client;
  }

  #pause(): Promise<void> {
    return this.#cluster.sleep(this.#random.fraction() * pauseMsMax);
  }

  #begin(author: string, expect?: number) {
    return this.#history.begin(author, Math.ceil(this.#random.fraction() * entryBytesMax), expect);
  }

  /** A writer never fails: what it is given has no deadline. */
  async #write(client: Client, author: string): Promise<void> {
    const writer = client.writer({ batchBytes: 4000 });
    while (!this.#isOver) {
      const attempt = this.#begin(author);
      const ticket = await writer.write(attempt.text);
      void this.#history.end(attempt, ticket.durable);
      await this.#pause();
    }
    await writer.flush();
  }

  async #append(client: Client, author: string): Promise<void> {
    while (!this.#isOver) {
      const attempt = this.#begin(author);
      const timeoutMs = Math.ceil(this.#random.fraction() * 1000);
      const error = await this.#history.end(attempt, client.append(attempt.text, { timeoutMs }));
      if (error !== undefined && error.code !== 'DEADLINE') this.#surprised(author, error);
      await this.#pause();
    }
  }

  async #appendWhereExpected(client: Client, author: string): Promise<void> {
    let expect = 0;
    while (!this.#isOver) {
      const attempt = this.#begin(author, expect);
      const outcome = client.append(attempt.text, { expect, timeoutMs: 2000 });
      const error = await this.#history.end(attempt, outcome);
      const { fate } = attempt;
      if (fate.type === 'acknowledged') expect = fate.position.end;
      if (error !== undefined) {
        const known = ['CONDITION_FAILED', 'DEADLINE'].includes(error.code);
        if (!known) this.#surprised(author, error);
        expect = error.end ?? expect;
      }
      await this.#pause();
    }
  }

  async #askForTheEnd(client: Client): Promise<void> {
    while (!this.#isOver) {
      const before = this.#history.acknowledgedEnd;
      try {
        const { dataEnd } = await client.end({ timeoutMs: 1000 });
        if (dataEnd < before) this.surprises.push(`${before} was acknowledged, the end ${dataEnd}`);
      } catch (error) {
        if (!(error instanceof LogLogError) || error.code !== 'DEADLINE') throw error;
      }
      await this.#pause();
    }
  }

  async #read(client: Client): Promise<void> {
    try {
      for await (const { offset, data } of client.read({
        from: 'start',
        follow: true,
        pageBytes: 10_000,
        signal: this.#reading.signal,
      })) {
        this.reads.push({ offset, text: data.toString() });
      }
    } catch (error) {
      if (error instanceof LogLogError && error.code === 'CANCELLED') return;
      this.surprises.push(`a reader ended: ${String(error)}`);
    }
  }

  #surprised(author: string, error: LogLogError): void {
    this.surprises.push(`${author} was told ${error.code}: ${error.message}`);
  }
}
