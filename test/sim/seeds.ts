/** Seeds that every change has to live through, and why each is kept. */
import type { Mode } from './plan.js';

export interface KeptSeed {
  readonly seed: number;
  readonly mode: Mode;
  readonly why: string;
}

export const keptSeeds: readonly KeptSeed[] = [
  { seed: 22, mode: 'survive', why: 'a single node whose disk fails, with clients that wait' },
  { seed: 14, mode: 'survive', why: 'a read of the disk fails under a reader' },
  { seed: 1, mode: 'halt', why: 'rot on every disk' },
];
