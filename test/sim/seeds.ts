/** Seeds that every change has to live through, and why each is kept. */
import type { Mode } from './plan.js';

export interface KeptSeed {
  readonly seed: number;
  readonly mode: Mode;
  readonly why: string;
}

export const keptSeeds: readonly KeptSeed[] = [
  { seed: 22, mode: 'survive', why: 'a single node whose disk fails, with clients that wait' },
  { seed: 64, mode: 'survive', why: 'a wiped node, and the leader dies before it is admitted' },
  { seed: 125, mode: 'survive', why: 'rot at another place on each of three disks' },
  {
    seed: 1164719069,
    mode: 'survive',
    why: 'a deposed leader meets rot in what it has to cut off',
  },
  { seed: 175965835, mode: 'survive', why: 'a killed leader cuts off what it had not synced' },
  { seed: 1381270558, mode: 'survive', why: 'a write is lost just before the end' },
  { seed: 1292484291, mode: 'survive', why: 'a segment is cut off while the log is scrubbed' },
  { seed: 163634091, mode: 'survive', why: 'rot is read while whoever has a copy is paused' },
  { seed: 1, mode: 'halt', why: 'rot on every disk' },
  { seed: 27241751, mode: 'halt', why: 'every disk loses the same batch, and a node starts' },
  { seed: 18, mode: 'halt', why: 'a node ends with less on its disk than is committed' },
];
