/**
 * How V8 runs this process: to be called by programs, not by the library. docs/BENCHMARKS.md says
 * what each flag was worth.
 */
import { setFlagsFromString } from 'node:v8';

/**
 * V8 marks the whole heap once it has grown by a share, buffers included. A node's own heap is some
 * 15 MB, and buffers come and go by the megabyte, so that with the usual share all of it would be
 * marked several times a second, in a third of the processor time at 40 MB/s.
 */
const rareMarking = '--heap-growing-percent=1000';

/**
 * Old buffers have a limit of their own besides, which starts a marking whatever the share is. From
 * V8 13, of Node.js 24, on they can be made to count as the rest of the heap.
 */
const buffersAsHeap = '--external-memory-accounted-in-global-limit';

/**
 * When V8 optimises a function. What an append takes runs a few hundred times a second, and would
 * stay slow for seconds. The V8 of Node.js 20 counts bytes of bytecode that were run, 66 KiB as it
 * comes. Every later one counts calls: 400 for Maglev, 3,000 for TurboFan, and 500 since the
 * last types that were new to the function.
 */
const optimiseSooner = {
  byBytes: ['--interrupt-budget=2000'],
  byCalls: [
    '--invocation-count-for-maglev=50',
    '--invocation-count-for-turbofan=250',
    '--minimum-invocations-after-ic-update=100',
  ],
};

/** `version`: of V8, which complains on stderr of a flag that it does not know. */
export function v8Flags(version: string): readonly string[] {
  const major = Number.parseInt(version, 10);
  const countsBytes = version.startsWith('11.3.');
  return [
    rareMarking,
    ...(countsBytes ? optimiseSooner.byBytes : optimiseSooner.byCalls),
    ...(major >= 13 ? [buffersAsHeap] : []),
  ];
}

export function tuneV8(): void {
  for (const flag of v8Flags(process.versions.v8)) setFlagsFromString(flag);
}
