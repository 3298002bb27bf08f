/**
 * The ends of logs rot, on no more nodes than may fail, while others are cut off or down: nothing
 * acknowledged is lost, and every node comes back. SEEDS asks for other runs than the usual ones.
 */
import { Command } from 'commander';
import t from 'tap';
import { entryLengthBytes } from '../../proto/limits.js';
import { fileHeaderBytes } from '../../server/log/segment.js';
import type { Seeds } from '../command-line.js';
import { seeds } from '../command-line.js';
import { Dice } from '../sim/dice.js';
import { readAll } from '../sim/read-all.js';
import type { TestNode } from './cluster.js';
import { directory, EngineCluster } from './cluster.js';

const { first: firstSeed, last: lastSeed } = new Command('rotten-tails')
  .addOption(
    seeds('--seeds <first-last>', 'a run for each of these seeds')
      .env('SEEDS')
      .default({ first: 1, last: 60 }, '1-60'),
  )
  .parse([], { from: 'user' })
  .opts<{ readonly seeds: Seeds }>().seeds;

const rounds = 3;

for (let seed = firstSeed; seed <= lastSeed; seed += 1) {
  t.test(`seed ${seed}`, async (t) => {
    const dice = new Dice(seed);
    const size = dice.pick([3, 5, 5, 7]);
    const cluster = await EngineCluster.start({ seed, size, node: { electionTimeoutMs: 200 } });
    const start = (node: TestNode) => void node.start().catch((error: unknown) => t.threw(error));
    const client = cluster.client();
    let appended = 0;
    /** By offset. */
    const acknowledged = new Map<number, Buffer>();
    const rotten = new Set<TestNode>();
    for (let round = 0; round < rounds; round += 1) {
      divide(cluster, dice);
      for (let i = dice.below(6); i >= 0; i -= 1) {
        const data = Buffer.alloc(500 + dice.below(2500), ++appended);
        const appending = client.append(data, { timeoutMs: 5000 });
        void appending.then(({ offset }) => acknowledged.set(offset, data)).catch(() => undefined);
      }
      await cluster.clock.pass(dice.below(500));
      for (const node of cluster.nodes) {
        if (!node.isRunning || dice.chance(0.4)) continue;
        node.crash(seed);
        const mayRot = rotten.has(node) || 2 * (rotten.size + 1) < size;
        if (mayRot && dice.chance(0.8) && rotTail(node, dice)) rotten.add(node);
      }
      cluster.peers.heal();
      for (const node of cluster.nodes) if (!node.isRunning && dice.chance(0.7)) start(node);
      await cluster.clock.pass(dice.below(3000));
    }
    for (const node of cluster.nodes) if (!node.isRunning) start(node);
    await cluster.until('all to be back', () => areBack(cluster));
    await cluster.clock.run(client.close());
    await cluster.settled();
    const logs = await Promise.all(cluster.nodes.map((node) => cluster.clock.run(readAll(node))));
    const [log = Buffer.alloc(0)] = logs;
    t.ok(
      logs.every((other) => other.equals(log)),
      'all nodes have one log',
    );
    for (const [offset, data] of acknowledged) {
      const from = offset + entryLengthBytes;
      const found = log.subarray(from, from + data.length);
      t.ok(log.readUInt32LE(offset) === data.length && found.equals(data), `entry at ${offset}`);
    }
    await cluster.close();
  });
}

/** Two sides that do not reach each other. */
function divide({ nodes, peers }: EngineCluster, dice: Dice): void {
  const side = new Map(nodes.map(({ id }) => [id, dice.chance(0.5)]));
  peers.partition([...side.keys()], (from, to) => side.get(from) === side.get(to));
}

/** Turns a bit in one of the last two batches; false if there are none. */
function rotTail({ disk }: TestNode, dice: Dice): boolean {
  const segments = disk.files().filter(({ path }) => path.startsWith(`${directory}/log/`));
  const path = segments
    .map((file) => file.path)
    .filter((name) => name.endsWith('.segment'))
    .at(-1);
  if (path === undefined) return false;
  const content = disk.contentOf(path);
  const last = content.lastIndexOf('LLog');
  const at = dice.chance(0.5) ? last : content.lastIndexOf('LLog', last - 1);
  if (at < fileHeaderBytes) return false;
  disk.flipBit(path, Math.min(at + dice.below(dice.pick([96, 600])), content.length - 1));
  return true;
}

async function areBack({ nodes }: EngineCluster): Promise<boolean> {
  if (nodes.some(({ reachable }) => reachable === undefined)) return false;
  const statuses = await Promise.all(nodes.map((node) => node.status()));
  return statuses.every(({ admitted }) => admitted);
}
