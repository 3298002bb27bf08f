/**
 * Where the nodes keep their data: plain directories, or a small file system in memory for each,
 * whose size can be changed while it is in use. Those need a mount namespace of this process's own
 * (namespace.ts) and are gone with it.
 */
import { execFile } from 'node:child_process';
import { cp, mkdir, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { assert } from '../../proto/errors.js';

const run = promisify(execFile);

/** Only what is written takes memory. */
const volumeBytes = 4 * 2 ** 30;

/** Pages of 4 KiB that are left on a full volume: less than a batch may need. */
const spareKibibytes = 8;

const fillAttemptsMax = 20;

export class Volumes {
  readonly root: string;
  readonly areMounted: boolean;

  private constructor(root: string, areMounted: boolean) {
    this.root = root;
    this.areMounted = areMounted;
  }

  static async make(
    root: string,
    nodes: readonly string[],
    { areMounted }: { readonly areMounted: boolean },
  ): Promise<Volumes> {
    const volumes = new Volumes(root, areMounted);
    for (const node of nodes) {
      await mkdir(volumes.#mountPoint(node), { recursive: true });
      if (!areMounted) continue;
      const size = `size=${volumeBytes}`;
      await run('mount', ['-t', 'tmpfs', '-o', size, 'nemesis', volumes.#mountPoint(node)]);
    }
    return volumes;
  }

  /** The node's data directory; missing until the node makes it. */
  dataOf(node: string): string {
    return join(this.#mountPoint(node), 'data');
  }

  /** From now on the node's volume has next to no room. */
  async fill(node: string): Promise<void> {
    for (let left = fillAttemptsMax; ; left -= 1) {
      const { bsize, blocks, bfree } = await statfs(this.#mountPoint(node));
      const usedKibibytes = Math.ceil(((blocks - bfree) * bsize) / 1024);
      try {
        return await this.#resize(node, `${usedKibibytes + spareKibibytes}k`);
      } catch (error) {
        // The node may have written more in the meantime than there was to be room for.
        if (left === 1) throw error;
      }
    }
  }

  async makeRoom(node: string): Promise<void> {
    await this.#resize(node, String(volumeBytes));
  }

  /** Copies what the nodes have, for whoever wants to look at it when the volumes are gone. */
  async copyTo(directory: string): Promise<void> {
    await cp(this.root, directory, { recursive: true });
  }

  #mountPoint(node: string): string {
    return join(this.root, node);
  }

  async #resize(node: string, size: string): Promise<void> {
    assert(this.areMounted, 'only a mounted volume has a size');
    // With the type named: else mount(8) repeats options that only the first mount may have.
    const options = `remount,size=${size}`;
    await run('mount', ['-t', 'tmpfs', '-o', options, 'nemesis', this.#mountPoint(node)]);
  }
}
