/** All nodes lose power at once, again and again, while a writer writes. */
import type { Position } from '../../client/writer.js';
import { EngineCluster } from '../engine/cluster.js';
import { Dice } from './dice.js';
import { dataBatches, batchesIn, fingerprintOf, makeEntry } from './workload/entries.js';
import { readAll } from './read-all.js';

const electionTimeoutMs = 300;
/** A cluster is replaced after so many, since what is to be looked through grows. */
const blackoutsPerCluster = 50;
const runMsMax = 2000;
const entryBytesMax = 600;
const pauseMsMean = 50;

export interface Blackouts {
  readonly acknowledged: number;
  readonly lost: readonly string[];
}

export async function runBlackouts(seed: number, count: number): Promise<Blackouts> {
  let acknowledged = 0;
  const lost: string[] = [];
  for (let done = 0; done < count; done += blackoutsPerCluster) {
    const run = new BlackoutRun(seed + done);
    await run.go(Math.min(blackoutsPerCluster, count - done));
    acknowledged += run.acknowledged.size;
    lost.push(...run.lost);
  }
  return { acknowledged, lost };
}

class BlackoutRun {
  readonly acknowledged = new Map<string, Position>();
  readonly lost: string[] = [];
  readonly #cluster: EngineCluster;
  readonly #dice: Dice;
  #names = 0;

  constructor(seed: number) {
    this.#dice = new Dice(seed);
    const disk = this.#dice.stream('disk');
    this.#cluster = new EngineCluster({
      seed,
      node: { electionTimeoutMs },
      diskDelayMs: () => disk.between(0.1, disk.chance(0.1) ? 20 : 2),
    });
  }

  async go(count: number): Promise<void> {
    const cluster = this.#cluster;
    const { clock, nodes } = cluster;
    await cluster.begin();
    const writer = cluster.client().writer({ batchBytes: 4000 });
    let isOver = false;
    const writing = (async () => {
      while (!isOver) {
        const entry = makeEntry(`e${(this.#names += 1)}`, this.#dice.below(entryBytesMax));
        const ticket = await writer.write(entry);
        void ticket.durable.then((position) =>
          this.acknowledged.set(fingerprintOf(entry), position),
        );
        await cluster.sleep(this.#dice.exponential(pauseMsMean));
      }
    })();
    for (let done = 0; done < count; done += 1) {
      await clock.pass(this.#dice.between(1, runMsMax));
      for (const node of nodes) node.crash(this.#dice.below(2 ** 30));
      await clock.run(Promise.all(nodes.map((node) => node.start())));
    }
    isOver = true;
    await clock.run(writing);
    await clock.run(writer.flush());
    await this.#compare();
    await cluster.close();
  }

  async #compare(): Promise<void> {
    await this.#cluster.settled();
    const [node] = this.#cluster.nodes;
    if (node === undefined) throw new Error('a cluster has nodes');
    const log = await this.#cluster.clock.run(readAll(node));
    const batches = dataBatches(batchesIn(log));
    const found = new Map(
      batches.flatMap(({ entries }) => entries.map((entry) => [entry.fingerprint, entry.offset])),
    );
    for (const [fingerprint, { offset }] of this.acknowledged) {
      const at = found.get(fingerprint);
      if (at !== offset) this.lost.push(`${fingerprint} was at ${offset}, and is at ${at}`);
    }
  }
}
