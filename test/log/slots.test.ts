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
      disk.cutPowerAt(round);
      await Promise.race([HardState.open(disk, directory), disk.powerCut]);
    }
    const { term, vote } = await HardState.open(disk.crash(), directory);
    t.ok((term === 1 && vote === 'n1') || (term === 2 && vote === 'n2'), `seed ${seed}`);
  }
});

t.test('a copy that cannot be read is made good from the other', async (t) => {
  const first = { term: 3, vote: 'n1', admitted: 1 };
  const path = `${directory}/hard-state`;
  for (const position of [0, 4096]) {
    const disk = new MemoryDisk();
    await disk.makeDirectory(directory);
    await (await HardState.create(disk, directory, first)).close();
    disk.spoilSectors(path, position + 512, 1);
    const { term, vote } = await HardState.open(disk, directory);
    t.same([term, vote], [3, 'n1']);
    await disk.open(path, 'read').then((file) => file.read(Buffer.alloc(8192), 0));

    const lost = disk.crash();
    for (const at of [0, 4096]) lost.spoilSectors(path, at, 1);
    await t.rejects(HardState.open(lost, directory), { message: /EIO/ }, 'not taken for rot');
  }
});
