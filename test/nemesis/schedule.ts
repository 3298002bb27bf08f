/** Injects faults for as long as a run takes: which ones, and how, follows from the seed. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { RandomSource } from '../../proto/clock.js';
import { seededRandom } from '../log/seeded-random.js';
import type { NemesisCluster } from './cluster.js';
import { shuffled } from './faults/fault.js';
import type { FaultKind, Lane } from './faults/table.js';
import { faultTable, lanes } from './faults/table.js';
import type { Story } from './story.js';
import { between } from './worker.js';

/** Between two faults of one lane. */
const gapMs = { min: 300, max: 2000 };
/** With nothing to inject, for example with no leader. */
const idleMs = 200;

export interface Schedule {
  readonly cluster: NemesisCluster;
  readonly story: Story;
  readonly kinds: readonly FaultKind[];
  readonly seed: number;
  readonly ending: AbortSignal;
}

/** Counts what has been injected; resolves when all of it is healed, after `ending`. */
export async function runFaults(schedule: Schedule): Promise<ReadonlyMap<FaultKind, number>> {
  const counts = new Map<FaultKind, number>();
  await Promise.all(
    lanes.map((lane, index) =>
      runLane(schedule, lane, seededRandom(schedule.seed * lanes.length + index), counts),
    ),
  );
  return counts;
}

async function runLane(
  { cluster, story, kinds, ending }: Schedule,
  lane: Lane,
  random: RandomSource,
  counts: Map<FaultKind, number>,
): Promise<void> {
  const own = kinds.filter((kind) => faultTable[kind].lane === lane);
  const pause = async (durationMs: number) => {
    // It ends with the run; what comes next looks at the signal.
    await sleep(durationMs, undefined, { signal: ending }).catch(() => undefined);
  };
  let turn: FaultKind[] = [];
  while (own.length > 0 && !ending.aborted) {
    await pause(between(random, gapMs.min, gapMs.max));
    if (cluster.isCalm) continue;
    if (turn.length === 0) turn = shuffled(random, own);
    const kind = turn.pop();
    if (kind === undefined || ending.aborted) continue;
    let wasInjected = false;
    await faultTable[kind].inject({
      cluster,
      story,
      random,
      pause,
      injected(what) {
        wasInjected = true;
        counts.set(kind, (counts.get(kind) ?? 0) + 1);
        story.faults += 1;
        story.note(`${kind}: ${what}`);
      },
    });
    if (wasInjected) story.note(`${kind}: healed`);
    else await pause(idleMs);
  }
}
