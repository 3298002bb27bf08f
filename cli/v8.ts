/**
 * How V8 runs this process: to be called by programs, not by the library. A V8 that does not know a
 * flag goes on without it. docs/BENCHMARKS.md says what each was worth.
 */
import { setFlagsFromString } from 'node:v8';

/**
 * V8 marks the whole heap once it has grown by a share, buffers included. A node's own heap is some
 * 15 MB, and buffers come and go by the megabyte, so that with the usual share all of it would be
 * marked several times a second, in a third of the processor time at 40 MB/s.
 */
const heapGrowingPercent = 1000;

/**
 * Bytes of bytecode that a function runs before V8 looks again whether to optimise it: 66 KiB in
 * Node.js 20. What an append takes runs a few hundred times a second, and would stay slow for long.
 */
const interruptBudget = 16_000;

export function tuneV8(): void {
  setFlagsFromString(`--heap-growing-percent=${heapGrowingPercent}`);
  setFlagsFromString(`--interrupt-budget=${interruptBudget}`);
}
