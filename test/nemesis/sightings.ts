/**
 * Since when a node could have answered a read that waits: at the latest since somebody else got
 * that offset from it.
 */
import type { NemesisCluster } from './cluster.js';

interface Watch {
  readonly node: string;
  readonly offset: number;
  seenAt: number | null;
}

export class Sightings {
  readonly #cluster: NemesisCluster;
  readonly #now: () => number;
  readonly #watches = new Set<Watch>();

  constructor(cluster: NemesisCluster, now: () => number) {
    this.#cluster = cluster;
    this.#now = now;
  }

  saw(node: string, offset: number): void {
    for (const watch of this.#watches) {
      if (watch.node === node && watch.seenAt === null && offset >= watch.offset) {
        watch.seenAt = this.#now();
      }
    }
  }

  /** `end` tells when it was seen; null as well if the node was another process in the meantime. */
  watch(node: string, offset: number): { end(): number | null } {
    const watch: Watch = { node, offset, seenAt: null };
    this.#watches.add(watch);
    const process = this.#cluster.process(node);
    return {
      end: () => {
        this.#watches.delete(watch);
        return this.#cluster.process(node) === process ? watch.seenAt : null;
      },
    };
  }
}
