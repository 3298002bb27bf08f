/** Preloaded into a node's process: its next short write after SIGUSR2 hangs, and all else with it. */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

/** Longer than the other nodes need to go on without it, also on a machine that is busy. */
const hangMs = 10_000;

const { writevSync } = fs;
let isNext = false;
process.on('SIGUSR2', () => (isNext = true));

fs.writevSync = (fd, buffers, position) => {
  if (isNext) {
    isNext = false;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, hangMs);
  }
  return writevSync(fd, buffers, position);
};
syncBuiltinESMExports();
