/** Many runs, one after the other, and what they come to together. */
import { drawPlan } from './plan.js';
import type { Mode, Plan } from './plan.js';
import type { RunResult } from './run.js';
import { runPlan } from './run.js';

/** Every so many seeds are run twice: both runs have to be the same. */
const repeatEvery = 10;
const hourMs = 3_600_000;

export interface Totals {
  seeds: number;
  simulatedHours: number;
  /** Of this process, while it ran. */
  coreSeconds: number;
  events: number;
  appends: number;
  elections: number;
  crashes: number;
  faults: number;
  violations: number;
}

export interface Failure {
  readonly plan: Plan;
  readonly result: RunResult;
}

export class Campaign {
  readonly totals: Totals = {
    seeds: 0,
    simulatedHours: 0,
    coreSeconds: 0,
    events: 0,
    appends: 0,
    elections: 0,
    crashes: 0,
    faults: 0,
    violations: 0,
  };
  /** By kind. */
  readonly faults: Record<string, number> = {};
  readonly #began = process.cpuUsage();

  /** Runs one seed; undefined if nothing was wrong. */
  async run(seed: number, mode: Mode): Promise<Failure | undefined> {
    const plan = drawPlan(seed, mode);
    const result = await withoutStacks(() => runPlan(plan));
    this.#add(result);
    if (result.violations.length === 0 && seed % repeatEvery === 0) {
      const again = await withoutStacks(() => runPlan(plan));
      this.#measure();
      if (again.traceHash !== result.traceHash) {
        this.totals.violations += 1;
        const violations = [`two runs of seed ${seed} differ`];
        return { plan, result: { ...result, violations } };
      }
    }
    return result.violations.length === 0 ? undefined : { plan, result };
  }

  #add(result: RunResult): void {
    const { totals } = this;
    totals.seeds += 1;
    totals.simulatedHours += result.simulatedMs / hourMs;
    totals.events += result.events;
    totals.appends += result.appends;
    totals.elections += result.elections;
    totals.crashes += result.crashes;
    totals.violations += result.violations.length;
    for (const [name, count] of Object.entries(result.faults)) {
      this.faults[name] = (this.faults[name] ?? 0) + count;
      totals.faults += count;
    }
    this.#measure();
  }

  #measure(): void {
    const { user, system } = process.cpuUsage(this.#began);
    this.totals.coreSeconds = (user + system) / 1e6;
  }
}

/** Errors are made by the thousand, and stacks take a twentieth of the time: a replay has them. */
async function withoutStacks<T>(work: () => Promise<T>): Promise<T> {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return await work();
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

export function describeTotals(totals: Totals): string {
  const { simulatedHours } = totals;
  const hourly = (count: number) => (count / simulatedHours).toFixed(0);
  return (
    `${totals.seeds} seeds, ${simulatedHours.toFixed(1)} simulated hours in ` +
    `${totals.coreSeconds.toFixed(0)} s of a core; in an hour ${hourly(totals.events)} events, ` +
    `${hourly(totals.appends)} appends, ${hourly(totals.elections)} elections, ` +
    `${hourly(totals.crashes)} crashes, ${hourly(totals.faults)} faults`
  );
}
