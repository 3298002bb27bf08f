/** What every part of the workload is made of: something done over and over until it is told. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { RandomSource } from '../../proto/clock.js';
import type { Client, ErrorCode } from '../../index.js';
import { LogLogError } from '../../index.js';
import type { Recorder } from './recorder.js';
import type { Story } from './story.js';

export interface Worker {
  readonly client: Client;
  readonly recorder: Recorder;
  readonly story: Story;
  readonly random: RandomSource;
  /** Aborted when no more is to be begun. */
  readonly ending: AbortSignal;
}

/** Of calls that faults may keep from being answered in time. */
const expected: ReadonlySet<ErrorCode> = new Set(['DEADLINE', 'CANCELLED']);

/** The answer; undefined if there was none in time. Any other failure is a problem. */
export async function answered<Answer>(
  { story, ending }: Worker,
  what: string,
  call: Promise<Answer>,
): Promise<Answer | undefined> {
  try {
    return await call;
  } catch (error) {
    if (!(error instanceof LogLogError)) throw error;
    const isExpected = expected.has(error.code) || (ending.aborted && error.code === 'CLOSED');
    if (!isExpected) story.problem(`${what}: ${error.code} ${error.message}`);
    return undefined;
  }
}

/** Ends early when the workload does. */
export async function pause({ ending }: Worker, delayMs: number): Promise<void> {
  try {
    await sleep(delayMs, undefined, { signal: ending });
  } catch {
    // It is over; whoever waits looks at the signal.
  }
}

/** A whole number, at least `min` and less than `max`. */
export function between(random: RandomSource, min: number, max: number): number {
  return min + Math.floor(random.fraction() * (max - min));
}
