/** Draws from one seed; streams of their own, so that leaving one out changes no other. */
import type { RandomSource } from '../../proto/clock.js';
import { seededRandom } from '../log/seeded-random.js';

export class Dice {
  readonly source: RandomSource;
  readonly #seed: number;

  constructor(seed: number) {
    this.#seed = seed;
    this.source = seededRandom(seed);
  }

  /** Another stream, which follows from this one's seed and the name alone. */
  stream(name: string): Dice {
    let hash = this.#seed | 0;
    for (let i = 0; i < name.length; i += 1) {
      hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
    }
    return new Dice(hash);
  }

  fraction(): number {
    return this.source.fraction();
  }

  /** True with this probability. */
  chance(probability: number): boolean {
    return this.fraction() < probability;
  }

  /** An integer from 0, less than `bound`. */
  below(bound: number): number {
    return Math.floor(this.fraction() * bound);
  }

  between(low: number, high: number): number {
    return low + this.fraction() * (high - low);
  }

  /** Small and large alike: every factor is as likely. */
  scaled(low: number, high: number): number {
    return low * (high / low) ** this.fraction();
  }

  /** Around `mean`, as the pauses between independent events are. */
  exponential(mean: number): number {
    return -mean * Math.log(1 - this.fraction());
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new Error('nothing to pick from');
    return item;
  }

  /** One of the keys, as often as its weight says. */
  weighted<K extends string>(weights: Readonly<Partial<Record<K, number>>>): K {
    const entries = Object.entries(weights) as [K, number][];
    let left = this.fraction() * entries.reduce((sum, [, weight]) => sum + weight, 0);
    for (const [key, weight] of entries) {
      left -= weight;
      if (left < 0) return key;
    }
    const [last] = entries.at(-1) ?? [];
    if (last === undefined) throw new Error('nothing to pick from');
    return last;
  }
}
