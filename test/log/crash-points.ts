/** Runs work once for each of its disk operations and cuts the power in the middle of that one. */
import type { MemoryDisk } from './memory-disk.js';

const survivorsEach = 8;

/** `check` sees several disks that may be left of each crash, and of the work that was finished. */
export async function atEveryCrash(
  prepare: () => Promise<MemoryDisk>,
  work: (disk: MemoryDisk) => Promise<void>,
  check: (survivor: MemoryDisk) => Promise<void>,
): Promise<number> {
  for (let nth = 1; ; nth += 1) {
    const disk = await prepare();
    disk.cutPowerAt(nth);
    const finished = await Promise.race([
      work(disk).then(() => true),
      disk.powerCut.then(() => false),
    ]);
    for (let seed = 1; seed <= survivorsEach; seed += 1) await check(disk.crash(seed));
    if (finished) return nth - 1;
  }
}
