import t from 'tap';
import { HardState } from '../../server/log/hard-state.js';
import { MemoryDisk } from './memory-disk.js';

const directory = '/data';

t.test('power cuts while saving and then again and again while opening keep a value', async (t) => {
  for (let seed = 1; seed <= 200; seed += 1) {
    let disk = new MemoryDisk({ seed });
    await disk.makeDirectory(directory);
    const hardState = await HardState.create(disk, directory, {
      term: 0,
      vote: null,
      admitted: 1,
    });
    await hardState.save(1, 'n1', 1);
    disk.cutPowerAt(1 + (seed % 2));
    await Promise.race([hardState.save(2, 'n2', 1), disk.powerCut]);
    for (let round = 1; round <= 6; round += 1) {
      disk = disk.crash(seed * 10 + round);
      disk.cutPowerAt(3);
      await Promise.race([HardState.open(disk, directory), disk.powerCut]);
    }
    const { term, vote } = await HardState.open(disk.crash(), directory);
    t.ok((term === 1 && vote === 'n1') || (term === 2 && vote === 'n2'), `seed ${seed}`);
  }
});
