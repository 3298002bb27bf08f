/** The end of a run: the cluster heals and goes on, and then everything is looked at. */
import { LogLogError } from '../../proto/errors.js';
import { verifyDirectory } from '../../server/log/verify.js';
import { checkHistory } from '../checker/checker.js';
import type { TestNode } from '../engine/cluster.js';
import { directory } from '../engine/cluster.js';
import { forgettingFaults, silentFaults } from './faults/forgetting.js';
import { calm } from './faults/network.js';
import { rotFaults } from './faults/rot.js';
import { readAll } from './read-all.js';
import { Truth } from './truth.js';
import { checkTokens } from './tokens.js';
import { batchesIn, dataBatches, makeEntry } from './workload/entries.js';
import type { Recorder } from './workload/recorder.js';
import type { Workload } from './workload/workload.js';
import type { World } from './world.js';

/** What a healed cluster may take, besides these many election timeouts. */
const progressMs = 40_000;
const progressElections = 20;

/** Reading a small log again takes no longer. */
const scrubMsMax = 30_000;

/** An append that was given up may still be on its way. */
const quietMs = 5000;

/** Reports what is wrong to the monitor. */
export async function endRun(world: World, workload: Workload, recorder: Recorder): Promise<void> {
  const { cluster, nodes } = world;
  if (!world.isDemanding) return endInDoubt(world, workload, recorder);
  const mayLackSome = !world.plan.healAllAtOnce && world.promises.isEverythingWhole;
  if (mayLackSome) await recover(world, drawQuorum(world), workload, recorder);
  await recover(world, nodes, workload, recorder);
  const { monitor } = world;
  await until(world, 'all nodes', () => nodes.every((node) => monitor.isCaughtUp(node)));
  if (nodes.length > 1) await outliveLeader(world, recorder);
  await findAllRot(world);
  await within(world, 'every client to be answered', workload.finish());
  await cluster.clock.pass(quietMs);
  const log = await checkNodes(world);
  await cluster.clock.run(workload.close());
  await checkDisks(world, log);
  const batches = batchesIn(log);
  const history = { operations: recorder.operations, final: dataBatches(batches) };
  for (const { kind, message } of checkHistory(history)) {
    world.monitor.report(`${kind}: ${message}`);
  }
  for (const problem of checkTokens(batches, recorder.tokens)) world.monitor.report(problem);
}

/** Whatever was done to the nodes: what any of them still tells agrees with what clients know. */
async function endInDoubt(world: World, workload: Workload, recorder: Recorder): Promise<void> {
  const { cluster, nodes, monitor } = world;
  healAmong(world, nodes);
  const { clock } = cluster;
  await clock.pass(boundMs(world));
  const finished = workload.finish();
  await Promise.race([clock.pass(quietMs), finished]);
  await clock.run(workload.close());
  await clock.run(finished);
  const truth = new Truth((problem) => monitor.report(problem));
  truth.learn(recorder.operations);
  for (const node of nodes) {
    if (node.reachable === undefined) continue;
    const readable = await clock.run(readAll(node).catch(() => Buffer.alloc(0)));
    truth.compare(node.id, dataBatches(batchesIn(readable)));
  }
}

/** Of the nodes, at random, as few as can go on. */
function drawQuorum({ nodes, dice }: World): TestNode[] {
  const quorum = [...nodes];
  while (2 * (quorum.length - 1) > nodes.length) quorum.splice(dice.below(quorum.length), 1);
  return quorum;
}

/** Only these nodes run, nothing disturbs them, and they go on: within bounds. */
async function recover(
  world: World,
  among: readonly TestNode[],
  workload: Workload,
  recorder: Recorder,
): Promise<void> {
  healAmong(world, among);
  const end = await within(world, 'an append', appendOnce(world, recorder));
  const ids = among.map(({ id }) => id);
  await until(world, 'every reader', () => workload.slowestTail(ids) >= end);
}

/** Every file has been read again: those of the log slowly, the others by a start. */
async function findAllRot(world: World): Promise<void> {
  const { nodes, cluster, plan, promises, supervisor, dice } = world;
  const damaging = Object.keys({ ...rotFaults, ...forgettingFaults, ...silentFaults });
  if (!damaging.some((name) => (world.counts[name] ?? 0) > 0)) return;
  const endMs = cluster.clock.monotonicMs() + (plan.node.scrubIntervalMs ?? 0) + scrubMsMax;
  while (cluster.clock.monotonicMs() < endMs) await cluster.clock.pass(scrubMsMax);
  for (const node of nodes) {
    supervisor.crash(node, dice.below(2 ** 30));
    supervisor.start(node);
    await until(world, `${node.id} to come back`, () => world.monitor.isCaughtUp(node));
  }
  await until(world, 'all to be whole', () => promises.isEverythingWhole);
}

/** The others elect another, and go on. */
async function outliveLeader(world: World, recorder: Recorder): Promise<void> {
  const leader = world.target('leader');
  world.say(`${leader.id} loses power for the last time`);
  world.supervisor.crash(leader, world.dice.below(2 ** 30));
  await within(world, 'an append after an election', appendOnce(world, recorder));
  world.supervisor.start(leader);
}

/** Nothing is wrong any more, but for the nodes that do not run. */
function healAmong(world: World, among: readonly TestNode[]): void {
  const { cluster, supervisor } = world;
  world.say(`all is well with ${among.map(({ id }) => id).join(', ')}`);
  world.healAll();
  cluster.peers.heal();
  cluster.clients.heal();
  calm(world);
  for (const node of world.nodes) {
    if (among.includes(node)) supervisor.start(node);
    else if (node.isRunning) supervisor.crash(node, world.dice.below(2 ** 30));
    else supervisor.hold(node);
  }
}

async function appendOnce({ cluster }: World, recorder: Recorder): Promise<number> {
  const name = recorder.name('end');
  const client = cluster.client(name);
  const entry = makeEntry(name, 100);
  const append = recorder.append(name, [`${name} ${entry.length}`]);
  const { offsets, end } = await client.append(entry, { timeoutMs: 10 * progressMs });
  append.end({ type: 'acknowledged', offsets, end });
  await client.close({ timeoutMs: 0 });
  return end;
}

function boundMs({ plan }: World): number {
  return progressMs + progressElections * (plan.node.electionTimeoutMs ?? 0);
}

async function within<T>(world: World, what: string, promise: Promise<T>): Promise<T> {
  const { cluster } = world;
  const late = cluster.sleep(boundMs(world)).then(() => {
    throw new LogLogError('DEADLINE', `waited in vain for ${what}`);
  });
  return cluster.clock.run(Promise.race([promise, late]));
}

async function until(world: World, what: string, isSo: () => boolean): Promise<void> {
  const { clock } = world.cluster;
  const endMs = clock.monotonicMs() + boundMs(world);
  while (!isSo()) {
    if (clock.monotonicMs() > endMs)
      throw new LogLogError('DEADLINE', `waited in vain for ${what}`);
    await clock.pass(50);
  }
}

/** One log on all nodes; returns its bytes. */
async function checkNodes({ cluster, nodes, monitor }: World): Promise<Buffer> {
  const statuses = await cluster.settled();
  if (new Set(statuses.map(({ chain }) => chain)).size > 1) monitor.report('the chains differ');
  const logs = await cluster.clock.run(Promise.all(nodes.map(readAll)));
  const [log = Buffer.alloc(0), ...others] = logs;
  if (!others.every((other) => other.equals(log))) monitor.report('the bytes differ');
  return log;
}

async function checkDisks({ cluster, nodes, monitor, dice }: World, log: Buffer): Promise<void> {
  for (const node of nodes) node.crash(dice.below(2 ** 30));
  for (const { id, disk } of nodes) {
    const report = await cluster.clock.run(verifyDirectory(disk, directory));
    for (const { file, reason } of report.problems) monitor.report(`${id}: ${file}: ${reason}`);
    if (report.endOffset !== log.length) {
      monitor.report(`${id} has ${report.endOffset} of ${log.length} on its disk`);
    }
  }
}
