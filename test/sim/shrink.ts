/**
 * Makes a plan that fails short: leaves out ever more of its faults and clients, as long as it
 * still fails (Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", 2002).
 */
import type { Plan } from './plan.js';
import type { RunResult } from './run.js';
import { runPlan } from './run.js';

export interface Shrunk {
  readonly plan: Plan;
  readonly result: RunResult;
  readonly runs: number;
}

/** How much longer than its last fault a run goes on. */
const afterMs = 1000;

class Shrinker {
  plan: Plan;
  result: RunResult;
  runs = 0;
  readonly #runsMax: number;

  constructor(plan: Plan, result: RunResult, runsMax: number) {
    this.plan = plan;
    this.result = result;
    this.#runsMax = runsMax;
  }

  get isDone(): boolean {
    return this.runs >= this.#runsMax;
  }

  /** Keeps the candidate if it fails too. */
  async try(candidate: Plan): Promise<boolean> {
    if (this.isDone) return false;
    this.runs += 1;
    const result = await runPlan(candidate);
    if (result.violations.length === 0) return false;
    this.plan = candidate;
    this.result = result;
    return true;
  }

  /** Leaves out parts of a list, large ones first, then ever smaller ones. */
  async leaveOut<T>(of: (plan: Plan) => readonly T[], to: (items: readonly T[]) => Partial<Plan>) {
    for (let parts = 2; !this.isDone;) {
      const items = of(this.plan);
      if (items.length === 0) return;
      const size = Math.ceil(items.length / parts);
      let hasShrunk = false;
      for (let at = 0; at < items.length && !hasShrunk; at += size) {
        const rest = [...items.slice(0, at), ...items.slice(at + size)];
        hasShrunk = await this.try({ ...this.plan, ...to(rest) });
      }
      if (!hasShrunk && size === 1) return;
      parts = hasShrunk ? Math.max(2, parts - 1) : Math.min(items.length, 2 * parts);
    }
  }

  async shorten(): Promise<void> {
    const lastMs = this.plan.actions.at(-1)?.atMs ?? 0;
    if (await this.try({ ...this.plan, durationMs: lastMs + afterMs })) return;
    while (await this.try(half(this.plan)));
  }
}

export async function shrink(plan: Plan, result: RunResult, runsMax: number): Promise<Shrunk> {
  const shrinker = new Shrinker(plan, result, runsMax);
  while (await shrinker.try(half(shrinker.plan)));
  await shrinker.leaveOut(
    ({ actions }) => actions,
    (actions) => ({ actions }),
  );
  await shrinker.leaveOut(
    ({ clients }) => clients,
    (clients) => ({ clients }),
  );
  await shrinker.shorten();
  return { plan: shrinker.plan, result: shrinker.result, runs: shrinker.runs };
}

function half(plan: Plan): Plan {
  const durationMs = Math.ceil(plan.durationMs / 2);
  return { ...plan, durationMs, actions: plan.actions.filter(({ atMs }) => atMs < durationMs) };
}
