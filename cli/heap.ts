/**
 * V8 marks the whole heap once it has grown by a share, buffers included. A node's own heap is some
 * 15 MB, and buffers come and go by the megabyte, so that with the usual share all of it would be
 * marked several times a second, in a third of the processor time at 40 MB/s (docs/BENCHMARKS.md).
 */
import { setFlagsFromString } from 'node:v8';

const heapGrowingPercent = 1000;

/** For this whole process: to be called by programs, not by the library. */
export function collectLessOften(): void {
  setFlagsFromString(`--heap-growing-percent=${heapGrowingPercent}`);
}
