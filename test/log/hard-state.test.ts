import t from 'tap';
import { HardState } from '../../server/log/hard-state.js';
import { createIdentity } from '../../server/log/identity.js';
import { createSlots } from '../../server/log/slots.js';
import { atEveryCrash } from './crash-points.js';
import { MemoryDisk } from './memory-disk.js';

const slotBytes = 4096;
const first = { term: 0, vote: null, admitted: 1 };

async function created(): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  await disk.makeDirectory('/data');
  await (await HardState.create(disk, '/data', first)).close();
  return disk;
}

async function termAndVote(disk: MemoryDisk): Promise<[number, string | null]> {
  const state = await HardState.open(disk, '/data');
  await state.close();
  return [state.term, state.vote];
}

t.test('term and vote are there after a restart', async (t) => {
  const disk = await created();
  t.same(await termAndVote(disk), [0, null]);
  const state = await HardState.open(disk, '/data');
  await state.save(1, null, 1);
  await state.save(1, 'a', 1);
  await state.save(7, 'node-with-a-long-name-'.repeat(20), 1);
  t.equal(state.term, 7);
  t.same(await termAndVote(disk.crash()), [7, state.vote]);
});

t.test('a crash at any point keeps what was saved, or what was being saved', async (t) => {
  let acknowledged = 0;
  const crashes = await atEveryCrash(
    async () => {
      acknowledged = 0;
      return created();
    },
    async (disk) => {
      const state = await HardState.open(disk, '/data');
      for (const term of [1, 2, 3]) {
        await state.save(term, `node-${term}`, 1);
        acknowledged = term;
      }
    },
    async (survivor) => {
      const [term, vote] = await termAndVote(survivor);
      t.ok(term === acknowledged || term === acknowledged + 1);
      t.equal(vote, term === 0 ? null : `node-${term}`);
      // What one restart has seen, the next one sees too.
      t.same(await termAndVote(survivor.crash()), [term, vote]);
    },
  );
  t.ok(crashes > 8);
});

t.test('a crash while the file is created leaves a whole one or none', async (t) => {
  const crashes = await atEveryCrash(
    async () => {
      const disk = new MemoryDisk();
      await disk.makeDirectory('/data');
      return disk;
    },
    async (disk) => (await HardState.create(disk, '/data', first)).close(),
    async (survivor) => {
      await (await HardState.create(survivor, '/data', first)).close();
      t.same(await termAndVote(survivor), [0, null]);
    },
  );
  t.ok(crashes > 6);
});

t.test('one bad copy loses nothing, and is made good', async (t) => {
  for (const slot of [0, 1]) {
    for (const position of [0, 4, 9, 17, 30, 3000, 4095]) {
      const disk = await created();
      const state = await HardState.open(disk, '/data');
      await state.save(4, 'old', 1);
      await state.save(5, 'a', 1);
      await state.close();
      disk.flipBit('/data/hard-state', slot * slotBytes + position);
      t.same(await termAndVote(disk), [5, 'a']);
      disk.flipBit('/data/hard-state', (1 - slot) * slotBytes + position);
      t.same(await termAndVote(disk), [5, 'a']);
    }
  }
});

t.test('of two good copies the newer one counts', async (t) => {
  const disk = await created();
  const state = await HardState.open(disk, '/data');
  await state.save(4, 'a', 1);
  const older = disk.contentOf('/data/hard-state').subarray(0, slotBytes);
  await state.save(5, 'b', 1);
  const newer = disk.contentOf('/data/hard-state').subarray(0, slotBytes);
  const file = await disk.open('/data/hard-state', 'write');
  for (const copies of [
    [older, newer],
    [newer, older],
  ]) {
    await file.write(copies, 0);
    t.same(await HardState.peek(disk, '/data'), { term: 5, vote: 'b', admitted: 1 });
  }
});

t.test('a missing file is told from an empty state', async (t) => {
  const disk = new MemoryDisk();
  await disk.makeDirectory('/data');
  const refusal = { code: 'DATA_CORRUPT', message: /hard-state is missing/ };
  await t.rejects(HardState.open(disk, '/data'), refusal);
  await t.rejects(HardState.peek(disk, '/data'), refusal);
});

t.test('two bad copies are refused', async (t) => {
  const disk = await created();
  disk.flipBit('/data/hard-state', 100);
  disk.flipBit('/data/hard-state', slotBytes + 100);
  const refusal = { code: 'DATA_CORRUPT', message: '/data/hard-state' };
  await t.rejects(HardState.open(disk, '/data'), refusal);
  await t.rejects(HardState.peek(disk, '/data'), refusal);
});

t.test('another format version is refused', async (t) => {
  const disk = await created();
  const format = { fileName: 'hard-state', magic: 'LLhs', version: 2 };
  await createSlots(disk, '/data', format, { term: 1, vote: null });
  await t.rejects(HardState.open(disk, '/data'), { code: 'FORMAT_UNKNOWN' });
});

t.test('nonsense with a good checksum is refused', async (t) => {
  const nonsense = [
    3,
    { ...first, term: -1 },
    { ...first, vote: 2 },
    { ...first, admitted: 'me' },
    { term: 1, admitted: 1 },
    { term: 1, vote: null },
  ];
  for (const value of nonsense) {
    const disk = await created();
    const format = { fileName: 'hard-state', magic: 'LLhs', version: 1 };
    await createSlots(disk, '/data', format, value);
    await t.rejects(HardState.open(disk, '/data'), { code: 'DATA_CORRUPT' });
  }
});

t.test('a vote can be written on a full disk', async (t) => {
  const disk = await created();
  disk.full = true;
  const state = await HardState.open(disk, '/data');
  await state.save(3, 'c', 1);
  t.same(await termAndVote(disk.crash()), [3, 'c']);
});

t.test('peeking changes nothing', async (t) => {
  const disk = await created();
  const before = disk.contentOf('/data/hard-state');
  t.same(await HardState.peek(disk, '/data'), first);
  t.same(disk.contentOf('/data/hard-state'), before);
});

t.test('saves that are asked for together happen in order', async (t) => {
  const disk = await created();
  const state = await HardState.open(disk, '/data');
  const ended: number[] = [];
  const saves = [1, 2, 3].map((term) => state.save(term, 'a', 1).then(() => ended.push(term)));
  t.equal(state.term, 0, 'nothing counts before it is durable');
  await Promise.all(saves);
  t.same(ended, [1, 2, 3]);
  t.same(await termAndVote(disk.crash()), [3, 'a']);
});

t.test('closing waits for a save that has begun', async (t) => {
  const disk = await created();
  const state = await HardState.open(disk, '/data');
  const save = state.save(2, 'b', 1);
  await state.close();
  await save;
  t.same(await termAndVote(disk), [2, 'b']);
});

t.test('after a failed save nothing is saved any more', async (t) => {
  const disk = await created();
  const state = await HardState.open(disk, '/data');
  disk.failWrite(2, 'EIO');
  await t.rejects(state.save(1, 'a', 1), { code: 'EIO' });
  const { writes } = disk;
  await t.rejects(state.save(2, 'b', 1), { code: 'EIO' });
  t.equal(disk.writes, writes);
  t.equal(state.term, 0);
  await state.close();
});

t.test('a term never goes back and has one vote', async (t) => {
  const disk = await created();
  const state = await HardState.open(disk, '/data');
  await state.save(4, null, 1);
  await state.save(4, 'a', 1);
  await state.save(4, 'a', 1);
  await t.rejects(state.save(3, 'a', 1), { code: 'INTERNAL' });
  await t.rejects(state.save(4, 'b', 1), { code: 'INTERNAL' });
  await t.rejects(state.save(4, null, 1), { code: 'INTERNAL' });
  await state.close();
  t.same(await termAndVote(disk), [4, 'a']);
});

t.test('terms and votes of one incarnation do not bind another', async (t) => {
  const disk = await created();
  const state = await HardState.open(disk, '/data');
  await state.save(4, 'a', 1);
  await state.save(4, null, null);
  t.equal(state.admitted, null);
  await state.save(4, 'b', 77);
  await t.rejects(state.save(4, 'c', 77), { code: 'INTERNAL' });
  await t.rejects(state.save(3, 'b', 77), { code: 'INTERNAL' });
  await state.save(9, null, null);
  await state.save(2, null, null);
  await state.save(3, 'c', 88);
  await state.close();
  const expected = { term: 3, vote: 'c', admitted: 88 };
  t.same(await HardState.peek(disk.crash(), '/data'), expected);
});

t.test('a hard state that is lost begins again, and admits nobody', async (t) => {
  const disk = await created();
  disk.flipBit('/data/hard-state', 100);
  disk.flipBit('/data/hard-state', slotBytes + 100);
  await t.rejects(HardState.replace(disk, '/data', first), { code: 'INTERNAL' });
  const forgetful = { ...first, admitted: null };
  const state = await HardState.replace(disk, '/data', forgetful);
  t.same(await HardState.peek(disk, '/data'), forgetful);
  await state.save(2, null, 77);
  await state.close();
  t.same(await HardState.peek(disk.crash(), '/data'), { term: 2, vote: null, admitted: 77 });
});

t.test('the vote of a node that exists is not made anew', async (t) => {
  const disk = await created();
  await createIdentity(disk, '/data', {
    name: 'n',
    members: ['a'],
    nodeId: 'a',
    segmentBytesMax: 1,
    incarnation: 1,
  });
  await t.rejects(HardState.create(disk, '/data', first), { code: 'DIRECTORY_NOT_EMPTY' });
});
