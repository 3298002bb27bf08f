/** The checks that every mutant has to pass by. They are the project's own and know of none. */
import { existsSync, readdirSync } from 'node:fs';
import { basename } from 'node:path';
import type { Ended } from './child.js';
import { runMutant } from './child.js';
import type { Finding } from './finding.js';
import type { Area } from './mutants.js';
import type { Mutation } from './mutation.js';
import { failureIn, passedIn } from './tap-output.js';

export interface Caught {
  readonly by: 'simulation' | 'search' | 'test';
  /** What the check had to say. */
  readonly words: string;
  /** It took so many seeds, if they are what the check counts. */
  readonly seeds?: number;
}

/** Undefined if the check sees nothing wrong. */
export type Check = (
  mutation: Mutation,
  area: Area,
  seconds: number,
) => Promise<Caught | undefined>;

/** A plain test that has nothing to say for so long hangs. */
const testSilenceMsMax = 120_000;

/** What a file of tests has been good for, so far. */
interface TestRecord {
  ranMs: number;
  caught: number;
}

const records = new Map<string, TestRecord>();

/** The cheapest evidence comes last, so that the table tells what the others are worth. */
export const checks: readonly Check[] = [simulation, searchOfStates, plainTests];

async function simulation({ name }: Mutation, _area: Area, seconds: number) {
  const ended = await countedCheck(name, 'simulate.js', seconds);
  return ended && { by: 'simulation' as const, words: ended.words, seeds: ended.count };
}

async function searchOfStates({ name }: Mutation, { isCore }: Area, seconds: number) {
  if (!isCore) return undefined;
  const ended = await countedCheck(name, 'explore.js', seconds);
  return ended && { by: 'search' as const, words: ended.words };
}

/**
 * A program that prints a Finding. Neither of them notices by itself that it hangs, so one that
 * has to be killed has found nothing.
 */
async function countedCheck(mutant: string, program: string, seconds: number) {
  const ended = await runMutant(mutant, program, [String(seconds)], {
    silenceMsMax: 4000 * seconds,
  });
  if (ended.exitCode === null) return undefined;
  const finding = findingOf(ended);
  if (finding.found === null) return undefined;
  return { words: finding.found, count: finding.count };
}

function findingOf({ stdout, stderr }: Ended): Finding {
  const line = stdout.trimEnd().split('\n').at(-1) ?? '';
  if (!line.startsWith('{')) throw new Error(`a check ended without a finding: ${stderr}`);
  return JSON.parse(line) as Finding;
}

/**
 * The test named after what is mutated goes first, then what has caught most for its time: the slow
 * ones run only where all others pass.
 */
async function plainTests(mutation: Mutation, { tests }: Area): Promise<Caught | undefined> {
  const own = `${basename(mutation.file, '.js')}.test.js`;
  const isOwn = (file: string) => Number(basename(file) === own);
  const files = [...new Set(tests.flatMap(testFilesIn))].toSorted(
    (a, b) => isOwn(b) - isOwn(a) || worthOf(b) - worthOf(a),
  );
  const beganMs = performance.now();
  const ended = await runMutant(mutation.name, 'plain-tests.js', [mutation.name], {
    silenceMsMax: testSilenceMsMax,
    tests: files,
  });
  const passed = passedIn(ended);
  const failed = files.find((file) => !passed.has(file));
  keepRecord(passed, failed, performance.now() - beganMs);
  if (failed === undefined && ended.exitCode === 0) return undefined;
  return { by: 'test', words: `${failed ?? 'after the last test'}: ${failureIn(ended)}` };
}

function keepRecord(
  passed: ReadonlyMap<string, number>,
  failed: string | undefined,
  allMs: number,
) {
  let leftMs = allMs;
  for (const [file, ranMs] of passed) {
    recordOf(file).ranMs += ranMs;
    leftMs -= ranMs;
  }
  if (failed === undefined) return;
  const record = recordOf(failed);
  record.ranMs += leftMs;
  record.caught += 1;
}

/** The most for a file that has not run yet. */
function worthOf(file: string): number {
  const { ranMs, caught } = recordOf(file);
  return (caught + 1) / (ranMs + 1);
}

function recordOf(file: string): TestRecord {
  const record = records.get(file) ?? { ranMs: 0, caught: 0 };
  records.set(file, record);
  return record;
}

function testFilesIn(folder: string): string[] {
  if (folder.endsWith('.test.js')) return [folder];
  const directory = new URL(`../${folder}/`, import.meta.url);
  const names = existsSync(directory) ? readdirSync(directory) : [];
  return names.filter((name) => name.endsWith('.test.js')).map((name) => `${folder}/${name}`);
}
