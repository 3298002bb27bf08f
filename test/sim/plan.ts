/**
 * What a run is to be: drawn from its seed alone, and plain data, so that parts of it can be left
 * out when a failure is shrunk. Each seed has its own mix of faults (swarm testing: Groce et al.,
 * "Swarm Testing", 2012), because many failures need some fault to be absent.
 */
import type { NodeOptions } from '../../server/options.js';
import { Dice } from './dice.js';
import type { FaultName } from './faults.js';
import { enabledFaults, faultWeights } from './faults.js';
import type { ClientKind } from './workload/workload.js';
import { clientKinds } from './workload/workload.js';

/**
 * `survive`: the faults leave a quorum its promises and one good copy of all that is committed, and
 * the cluster has to go on in the end. `halt`: no such limit, nothing but the truth is demanded.
 */
export type Mode = 'survive' | 'halt';

/** Whom a fault hits: whoever leads then, or the node with this index. */
export type Target = 'leader' | number;

export interface Action {
  readonly atMs: number;
  readonly fault: FaultName;
  readonly target: Target;
  /** Another node's index, for faults between two. */
  readonly other: number;
  /** Until it heals. */
  readonly durationMs: number;
  /** For what else there is to choose: at least 0, less than 1. */
  readonly pick: number;
}

export interface ClientPlan {
  readonly kind: ClientKind;
  readonly name: string;
  readonly pauseMsMean: number;
  readonly entryBytesMax: number;
  /** Indexes of nodes that it never reaches; never all of them. */
  readonly unreachable: readonly number[];
}

export interface Plan {
  readonly seed: number;
  readonly mode: Mode;
  readonly size: number;
  readonly durationMs: number;
  readonly node: Partial<NodeOptions>;
  /** An operation takes up to `usualMs`, and the share `slowShare` of them up to `slowMs`. */
  readonly disk: { readonly usualMs: number; readonly slowMs: number; readonly slowShare: number };
  readonly peerDelayMsMax: number;
  readonly clients: readonly ClientPlan[];
  /** By time. */
  readonly actions: readonly Action[];
  /** In the end a quorum comes back first, and has to go on without the rest. */
  readonly healAllAtOnce: boolean;
}

const hourMs = 3_600_000;
const durationMsMin = 2 * 60_000;
const durationMsMax = 20 * 60_000;

/** In each simulated hour of a run; dense runs are short, so the average is near the lower end. */
const actionsPerHour = [300, 300, 360, 1000] as const;
const actionsPerRunMax = 100;

/** Of all clients of a run together, on average; each appends a few entries at a time. */
const appendsPerHour = [2200, 3000, 10_000] as const;

const fixedSize = { segmentBytesMax: 64 * 1024, recentBytesMax: 2 ** 20 };

export function drawPlan(seed: number, mode: Mode): Plan {
  const dice = new Dice(seed).stream(`plan ${mode}`);
  const size = dice.chance(0.8) ? 3 : dice.pick([1, 5, 5]);
  const electionTimeoutMs = Math.round(drawElectionTimeoutMs(dice));
  const perHour = dice.pick(actionsPerHour);
  const count = 20 + dice.below(actionsPerRunMax - 20);
  const wantedMs = Math.max(durationMsMin, (count / perHour) * hourMs);
  const durationMs = Math.round(Math.min(durationMsMax, wantedMs));
  return {
    seed,
    mode,
    size,
    durationMs,
    node: {
      ...fixedSize,
      electionTimeoutMs,
      ...(dice.chance(0.2) && { segmentBytesMax: 256 * 1024 }),
      ...(dice.chance(0.1) && { stagingBytesMax: stagingBytesMin }),
      ...(dice.chance(0.1) && { stagingClientBytesMax: stagingBytesMin }),
      ...(dice.chance(0.3) && { stagedAgeMsMax: Math.round(dice.scaled(100, 30_000)) }),
      referenceWaitMs: dice.pick([0, 5, 20, 20, 200]),
      checkpointBytesMax: Math.round(dice.scaled(4096, 2 ** 20)),
      scrubIntervalMs: Math.round(dice.scaled(5000, 600_000)),
    },
    disk: {
      usualMs: dice.scaled(0.1, 5),
      slowMs: dice.scaled(5, 100),
      slowShare: dice.pick([0, 0.01, 0.1]),
    },
    peerDelayMsMax: dice.pick([0.5, 1, 5, 30]),
    clients: drawClients(dice.stream('clients'), size, durationMs),
    actions: drawActions(dice.stream('faults'), { size, mode, durationMs, perHour }),
    healAllAtOnce: dice.chance(0.4),
  };
}

/** The least that a node takes: room for one batch of the largest size. */
const stagingBytesMin = 16_777_731;

/** Long ones make an hour cheap to simulate, short ones make more happen at a time. */
function drawElectionTimeoutMs(dice: Dice): number {
  return dice.chance(0.1) ? dice.scaled(300, 2000) : dice.scaled(2000, 10_000);
}

function drawActions(
  dice: Dice,
  run: { size: number; mode: Mode; durationMs: number; perHour: number },
): Action[] {
  const weights = drawWeights(dice, run.mode, run.size);
  const actions: Action[] = [];
  const pauseMsMean = hourMs / run.perHour;
  // Some runs are calm between bursts.
  const burst = dice.pick([1, 1, 4]);
  for (let atMs = 0; ;) {
    atMs += dice.exponential(pauseMsMean * (dice.chance(1 / burst) ? burst : 0.05));
    if (atMs >= run.durationMs) return actions;
    actions.push({
      atMs: Math.round(atMs),
      fault: dice.weighted(weights),
      target: dice.chance(0.45) ? 'leader' : dice.below(run.size),
      other: dice.below(run.size),
      durationMs: Math.round(dice.scaled(20, 30_000)),
      pick: dice.fraction(),
    });
  }
}

/** Some faults are left out; of the rest, some come more often than others. */
function drawWeights(dice: Dice, mode: Mode, size: number): Partial<Record<FaultName, number>> {
  const weights: Partial<Record<FaultName, number>> = {};
  for (const name of enabledFaults(mode, size)) {
    const usual = faultWeights[name];
    // Without crashes and elections a run would show little.
    const isLeftOut = name !== 'crash' && dice.chance(0.35);
    if (!isLeftOut) weights[name] = usual * dice.scaled(0.5, 2);
  }
  return weights;
}

function drawClients(dice: Dice, size: number, durationMs: number): ClientPlan[] {
  const kinds = clientKinds.filter(
    ({ usual }) => usual === 'always' || dice.chance(usual === 'often' ? 0.5 : 0.1),
  );
  const perHour = durationMs < 2 * durationMsMin ? dice.pick(appendsPerHour) : appendsPerHour[0];
  const appending = kinds.filter(({ appends }) => appends).length;
  return kinds.map(({ kind, appends }, index) => ({
    kind,
    name: `c${index + 1}`,
    pauseMsMean: appends ? (appending * hourMs) / perHour : dice.scaled(2000, 60_000),
    entryBytesMax: Math.round(dice.scaled(50, dice.chance(0.05) ? 100_000 : 3000)),
    unreachable: dice.chance(0.2) && size > 1 ? [dice.below(size)] : [],
  }));
}
