/** A state of the whole cluster, in numbers that the cluster's interners know. */
import { renamings } from './symmetry.js';
import type { Interner } from './interner.js';

/** What a scope bounds, in the order of its bits in `World.counters`. */
export const countedNames = [
  'proposals',
  'crashes',
  'ticks',
  'stepDowns',
  'reads',
  'transfers',
  'relinks',
  'wipes',
  'copies',
] as const;
export type Counted = (typeof countedNames)[number];

/** Nothing is bounded by more than seven. */
const countBits = 3;

export interface World {
  readonly nodes: readonly number[];
  /** All that was ever called committed. */
  readonly committed: number;
  /** One bit for each term that somebody has led. */
  readonly ledTerms: number;
  /** How much of each bound is used up. */
  readonly counters: number;
  /** All that was ever sent, ascending: it may arrive at any time, again, or never. */
  readonly wire: readonly number[];
}

export function countOf(world: World, counted: Counted): number {
  return (world.counters >>> shiftOf(counted)) & (2 ** countBits - 1);
}

/** What one more of `counted` adds to the counters. */
export function unitOf(counted: Counted): number {
  return 2 ** shiftOf(counted);
}

function shiftOf(counted: Counted): number {
  return countBits * countedNames.indexOf(counted);
}

/** The set of `sent` and `wire`; `wire` itself if there is nothing new. */
export function joined(wire: readonly number[], sent: readonly number[]): readonly number[] {
  const news = sent.filter((parcel, index) => sent.indexOf(parcel) === index && !has(wire, parcel));
  return news.length === 0 ? wire : [...wire, ...news].sort((a, b) => a - b);
}

function has(sorted: readonly number[], wanted: number): boolean {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const item = sorted[middle] ?? 0;
    if (item === wanted) return true;
    if (item < wanted) low = middle + 1;
    else high = middle;
  }
  return false;
}

/** The same for worlds that differ in the names of their nodes only: low and high 32 bits. */
export function fingerprint(
  world: World,
  nodes: Interner,
  commits: Interner,
  parcels: Interner,
): readonly [number, number] {
  const rest = mix(world.ledTerms + 1, world.counters);
  let bestLow = Infinity;
  let bestHigh = Infinity;
  for (let index = 0; index < renamings.length; index += 1) {
    let low = (rest + commits.lane(world.committed, 2 * index)) >>> 0;
    let high = (mix(rest, 1) + commits.lane(world.committed, 2 * index + 1)) >>> 0;
    for (const node of world.nodes) {
      low = (low + nodes.lane(node, 2 * index)) >>> 0;
      high = (high + nodes.lane(node, 2 * index + 1)) >>> 0;
    }
    for (const parcel of world.wire) {
      low = (low + parcels.lane(parcel, 2 * index)) >>> 0;
      high = (high + parcels.lane(parcel, 2 * index + 1)) >>> 0;
    }
    if (low > bestLow || (low === bestLow && high >= bestHigh)) continue;
    bestLow = low;
    bestHigh = high;
  }
  return [bestLow, bestHigh];
}

/** murmur3's last steps, over both. */
function mix(one: number, other: number): number {
  let mixed = Math.imul(one ^ (other >>> 16) ^ Math.imul(other, 0x9e3779b1), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
